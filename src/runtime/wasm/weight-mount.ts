import type { DType } from "../../tensor/dtype.js";
import type { FileRef } from "../../tensor/stored-tensor.js";

/**
 * A weight as a file of its own, as ONNX Runtime's WebAssembly builds see it. Its bytes are read, and converted, when a session is created.
 */
export interface WeightMount {
  /** The file's name in the model. */
  readonly path: string;
  /** The file that really holds the numbers. */
  readonly file: FileRef;
  /** Where they begin there. */
  readonly offset: number;
  /** How many bytes they take there. */
  readonly length: number;
  /** Their type there. */
  readonly from: DType;
  /** Their type in the model. */
  readonly to: DType;
}

/** A file that is open for reading in a worker. */
export interface OpenFile {
  /**
   * Fills `into` with the file's bytes from `offset` on. It returns when they are read: WebAssembly cannot wait for a promise.
   * @throws Error with the reason, also if the file ends before.
   */
  read(offset: number, into: Uint8Array<ArrayBuffer>): void;
  /** Gives the file back. It is not read afterwards. */
  close(): void;
}

/** Opens a file of the platform, in the worker. @throws Error with the reason */
export type OpenWeightFile = (file: FileRef) => Promise<OpenFile>;
