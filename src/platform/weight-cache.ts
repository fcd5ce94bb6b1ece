import type { FileRef } from "../tensor/stored-tensor.js";
import type { Folder } from "./folder.js";

/** A file of weights that were quantised on this machine. */
export interface CachedWeightFile {
  /** Its name in the cache. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
  /** Bytes of it. */
  readonly size: number;
  /** When it was made. */
  readonly made: Date;
}

/** Weights that were quantised once, kept for the next time. */
export interface WeightCache {
  /** A text that differs if another file, or other contents, lie at the file's place. */
  stampOf(file: FileRef): Promise<string>;
  /** The folder of the file `name`; undefined if there is no such file. */
  find(name: string): Promise<Folder | undefined>;
  /** Writes a file whole or not at all. @throws OutputError if it cannot be written; the signal's reason. */
  write(name: string, chunks: AsyncIterable<Uint8Array>): Promise<Folder>;
  /** All files. */
  list(): Promise<readonly CachedWeightFile[]>;
  /** Removes a file, and returns the bytes that were freed; undefined if there is none. */
  remove(name: string): Promise<number | undefined>;
}
