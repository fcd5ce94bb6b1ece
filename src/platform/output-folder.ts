import type { FileRef } from "../tensor/stored-tensor.js";

/** The bytes of a file, whole or one part after another. */
export type FileContent = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * A folder that is being written. It appears whole or not at all: until everything is written, its files are in a temporary folder. Paths
 * are relative, with `/` between parts.
 */
export interface OutputFolder {
  /** How messages name it: the path as the user gave it. */
  readonly name: string;
  /** Writes a file. @throws OutputError */
  write(path: string, content: FileContent): Promise<void>;
  /** Names of the files that an earlier save left in this folder. */
  earlier(): Promise<readonly string[]>;
  /** Removes a file of an earlier save, once everything is written. */
  remove(path: string): void;
  /** Says that this file is still needed. Saving fails if it would replace or remove it. */
  needs(file: FileRef): void;
  /** The folder of one part: `folder.open("unet")`. */
  open(subfolder: string): OutputFolder;
}

/** How a folder is written. */
export interface WriteFolderOptions {
  /** Whether the folder may hold files already. Files of the same names are replaced. True by default. */
  readonly overwrite?: boolean | undefined;
  /** Stops the writing; nothing remains. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each part of a file, with the file's path and the part's bytes. */
  readonly onBytes?: ((path: string, bytes: number) => void) | undefined;
}

/** Writes a folder on this machine: `fill` writes its files. */
export type FolderWriter = (path: string, fill: (folder: OutputFolder) => Promise<void>, options?: WriteFolderOptions) => Promise<void>;
