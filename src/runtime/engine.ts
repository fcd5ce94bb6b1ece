import type { Target } from "../graph/graph.js";
import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";

/** Where networks run. "auto" takes a GPU where one answers, else the CPU. */
export type Device = "auto" | ResolvedDevice;

/** A device that was chosen. */
export type ResolvedDevice = Target;

/** The devices a caller can name. */
export const DEVICES: readonly Device[] = ["auto", "cpu", "webgpu", "cuda", "coreml", "dml"];

/** Which device to run on; `deviceId` picks one of several GPUs. */
export interface DeviceOptions {
  readonly device?: Device;
  readonly deviceId?: number;
}

/** Tensors by the names of a graph's inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor<DType>>>;

/** A network loaded and ready on a device. */
export interface Session {
  /** Runs the network once. The feeds are copied, the results are the caller's own. */
  run(feeds: NamedTensors): Promise<NamedTensors>;
  /** Frees the network's memory. */
  release(): Promise<void>;
}

/** An ONNX model: its graph, and the folder its weight files' locations are relative to. */
export interface ModelBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly root: string;
}

/** ONNX Runtime on one device, off the caller's thread. */
export interface Engine {
  readonly device: ResolvedDevice;
  /** @throws DeviceError if the runtime cannot take the model. */
  load(model: ModelBytes): Promise<Session>;
  /** Releases every session and stops the thread; the engine is of no use afterwards. */
  dispose(): Promise<void>;
}
