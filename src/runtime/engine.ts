import type { FinishedGraph } from "../graph/finished-graph.js";
import type { GraphCapabilities, Target } from "../graph/lowering.js";
import { type Fields, field, flag, oneOf, whole } from "../options/fields.js";
import type { DType } from "../tensor/dtype.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Where networks run. "auto" takes a GPU where one answers, else the CPU: on Linux CUDA before WebGPU, elsewhere WebGPU, and no Vulkan driver that computes
 * in software. What it took is the `device` of the pipeline or model.
 */
export type Device = "auto" | ResolvedDevice;

/** A device that was chosen. */
export type ResolvedDevice = Exclude<Target, "wasm">;

/** The devices a caller can name. */
export const DEVICES: readonly Device[] = ["auto", "cpu", "webgpu", "cuda", "coreml", "dml"];

/**
 * "exact" computes in float32, within rounding of diffusers. "fast" trades some of the picture's closeness for speed: on the CPU, matrix products and
 * convolutions of 8-bit integers; on WebGPU and CUDA, half precision, where the device has it. Autoencoders with `force_upcast` stay in float32.
 * On the CPU the weights are converted when a network is first run (2.5 s for Stable Diffusion 1.5), by way of a file in the folder for temporary files
 * (TMPDIR; 0.9 GB), which is removed at once.
 */
export type Precision = "exact" | "fast";

/** The precisions a caller can name. */
export const PRECISIONS: readonly Precision[] = ["exact", "fast"];

/** Where networks run, and what they may take there. */
export interface DeviceOptions {
  /** Where it computes. */
  readonly device?: Device | undefined;
  /** Which of several GPUs. */
  readonly deviceId?: number | undefined;
  /**
   * Memory before speed: nothing is kept that can be made again, and a network leaves memory as soon as its part of the work is done. The same numbers to
   * within rounding.
   */
  readonly lowMemory?: boolean | undefined;
  /** How closely networks compute: "exact" by default. */
  readonly precision?: Precision | undefined;
}

export const DEVICE_FIELDS: Fields<DeviceOptions> = {
  // Any text passes here: an unknown device is a DeviceError.
  device: field((value) => typeof value === "string", `one of ${DEVICES.join(", ")}`),
  deviceId: whole(0),
  lowMemory: flag,
  precision: oneOf(...PRECISIONS),
};

/** Tensors by the names of a graph's inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor<DType>>>;

/** A network loaded and ready on a device. */
export interface Session {
  /**
   * Runs the network once. The feeds are copied, the results are the caller's own. Feeds that are `lent` are not copied: they are of no use to the caller
   * any more, until they come back among the results.
   */
  run(feeds: NamedTensors, lent?: readonly string[]): Promise<NamedTensors>;
  /** Frees the network's memory. */
  release(): Promise<void>;
}

/** How a network is loaded. */
export interface LoadOptions {
  /** It will run many times, so its working memory is kept between runs. */
  readonly keepsMemory?: boolean | undefined;
  /** Its weights are few, so they are made ready once, at load, which takes a copy of them. */
  readonly copiesWeights?: boolean | undefined;
}

/** What a device is capable of, as measured on this machine. "Not measured" counts as no. */
export interface Capabilities extends GraphCapabilities {
  readonly device: ResolvedDevice;
  /** Whether its driver computes in software. */
  readonly isSoftware?: boolean | undefined;
}

/** ONNX Runtime on one device, off the caller's thread. */
export interface Engine {
  /** Where it computes. */
  readonly device: ResolvedDevice;
  /** What its device is capable of. It never changes. */
  readonly capabilities: Capabilities;
  /** Whether memory comes before speed. */
  readonly lowMemory?: boolean | undefined;
  /** What is computed: "exact" where nothing is said, or "fast" was asked for and the device cannot. */
  readonly precision?: Precision | undefined;
  /** A new file, for weights that are converted when a graph is loaded. Each graph needs a file of its own. */
  scratchFile?(): FileRef;
  /** @throws DeviceError if the runtime cannot take the model. */
  load(graph: FinishedGraph, options?: LoadOptions): Promise<Session>;
  /** Releases every session and stops the thread; the engine is of no use afterwards. */
  dispose(): Promise<void>;
}
