import type { FinishedGraph } from "../graph/finished-graph.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { Capabilities } from "./capabilities.js";
import type { Precision, Quantisation, ResolvedDevice } from "./device.js";
import type { LoadOptions, Session } from "./session.js";

/** ONNX Runtime on one device, off the caller's thread. */
export interface Engine {
  /** The device on which it computes. */
  readonly device: ResolvedDevice;
  /** What the device is capable of. It does not change after {@link settle}. */
  readonly capabilities: Capabilities;
  /** Whether memory comes before speed. */
  readonly lowMemory?: boolean | undefined;
  /** How closely it computes; "exact" if undefined. It is "exact" if the device cannot compute as the option "fast" wants. */
  readonly precision?: Precision | undefined;
  /** How the weights of its networks are quantised when they are opened; undefined: not at all. */
  readonly quantize?: Quantisation | undefined;
  /**
   * Waits until the device is certain. Device "auto" assumes that the native CPU works, and loads its library while the checkpoint is
   * opened. If it does not load, WebAssembly takes its place.
   * @throws DeviceError if nothing works
   */
  settle?(): Promise<void>;
  /** Bytes that networks can take on the device, at most; undefined if that is not known. */
  availableMemory?(): number | undefined;
  /** A new file, for weights that are converted when a graph is loaded. Each graph needs a file of its own. */
  scratchFile?(): FileRef;
  /** @throws DeviceError if ONNX Runtime refuses the model. */
  load(graph: FinishedGraph, options?: LoadOptions): Promise<Session>;
  /** Releases all sessions and stops the thread. The engine cannot be used afterwards. */
  dispose(): Promise<void>;
}
