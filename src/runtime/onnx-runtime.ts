import type { PreparedPort } from "../graph/finished-graph.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { NamedData, SessionOptions } from "./transport.js";
import type { WeightMount } from "./wasm/weight-mount.js";

/** What the runtime's thread needs from its platform: ONNX Runtime itself, and files for weights that are converted at load. */
export interface OnnxRuntime {
  /** `mounts` are the weights of a WebAssembly build; elsewhere the model names their files. */
  createSession(model: Uint8Array, options: SessionOptions, mounts?: readonly WeightMount[]): Promise<OnnxSession>;
  readonly scratch: ScratchFiles;
}

/** A session of ONNX Runtime. */
export interface OnnxSession {
  /** Runs the model. Outputs that are in `places` are written into the data there, if the runtime can do that. */
  run(feeds: NamedData, places?: NamedData): Promise<NamedData>;
  release(): Promise<void>;
}

/** Files for weights that are converted when a graph is loaded. */
export interface ScratchFiles {
  /** Writes tensors to their places in a file. @throws Error with the reason */
  write(file: FileRef, ports: readonly PreparedPort[], tensors: NamedData): void;
  /** Removes a file, and returns whether that was possible. */
  remove(file: FileRef): boolean;
  /** Removes files that ended processes have left in the folder of `file`, as far as possible. */
  removeStale(file: FileRef): void;
}
