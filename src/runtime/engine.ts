import type { FinishedGraph } from "../graph/finished-graph.js";
import type { GraphCapabilities, Target } from "../graph/lowering.js";
import { type Fields, field, flag, oneOf, whole } from "../options/fields.js";
import type { DType } from "../tensor/dtype.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Where networks run. "auto" picks a GPU that works, else the CPU. On Linux it tries CUDA, then WebGPU; elsewhere WebGPU. It does not pick a Vulkan driver that
 * computes in software. The `device` of a pipeline or model says what was picked.
 */
export type Device = "auto" | ResolvedDevice;

/** A device that was chosen. */
export type ResolvedDevice = Exclude<Target, "wasm">;

/** The devices a caller can name. */
export const DEVICES: readonly Device[] = ["auto", "cpu", "webgpu", "cuda", "coreml", "dml"];

/**
 * "exact" computes in float32, and matches diffusers within rounding. "fast" is faster, and its pictures differ more. On the CPU it computes matrix products
 * and convolutions in 8-bit integers; on WebGPU and CUDA it computes in half precision, if the device can. Autoencoders with `force_upcast` stay in float32.
 * On the CPU, the weights are converted when a network first runs (2.5 s for Stable Diffusion 1.5). The conversion needs a file in the folder for temporary
 * files (TMPDIR; 0.9 GB), which is removed at once.
 */
export type Precision = "exact" | "fast";

/** The precisions a caller can name. */
export const PRECISIONS: readonly Precision[] = ["exact", "fast"];

/** Where and how networks run. */
export interface DeviceOptions {
  /** The device; "auto" by default. */
  readonly device?: Device | undefined;
  /** Which of several GPUs. */
  readonly deviceId?: number | undefined;
  /**
   * Memory before speed: nothing is kept that can be made again, and a network frees its memory as soon as its part of the work is done. Results are equal
   * within rounding.
   */
  readonly lowMemory?: boolean | undefined;
  /** How closely networks compute: "exact" by default. */
  readonly precision?: Precision | undefined;
}

export const DEVICE_FIELDS: Fields<DeviceOptions> = {
  // Any text is valid here: an unknown device is a DeviceError later.
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
   * Runs the network once. The feeds are copied, and the caller owns the results. Feeds that are `lent` are not copied: the caller cannot use them until
   * they come back among the results.
   */
  run(feeds: NamedTensors, lent?: readonly string[]): Promise<NamedTensors>;
  /** Frees the network's memory. */
  release(): Promise<void>;
}

/** How a network is loaded. */
export interface LoadOptions {
  /** It will run many times: its working memory is kept between runs. */
  readonly keepsMemory?: boolean | undefined;
  /** Its weights are few: they are copied once, at load, into the form that is fastest. */
  readonly copiesWeights?: boolean | undefined;
}

/** What a device is capable of, as measured on this machine. A fact that was not measured counts as no. */
export interface Capabilities extends GraphCapabilities {
  readonly device: ResolvedDevice;
  /** Whether its driver computes in software. */
  readonly isSoftware?: boolean | undefined;
}

/** ONNX Runtime on one device, off the caller's thread. */
export interface Engine {
  /** The device on which it computes. */
  readonly device: ResolvedDevice;
  /** What the device is capable of. It never changes. */
  readonly capabilities: Capabilities;
  /** Whether memory comes before speed. */
  readonly lowMemory?: boolean | undefined;
  /** How closely it computes; "exact" if undefined. It is "exact" if the device cannot compute as the option "fast" wants. */
  readonly precision?: Precision | undefined;
  /** A new file, for weights that are converted when a graph is loaded. Each graph needs a file of its own. */
  scratchFile?(): FileRef;
  /** @throws DeviceError if ONNX Runtime refuses the model. */
  load(graph: FinishedGraph, options?: LoadOptions): Promise<Session>;
  /** Releases all sessions and stops the thread. The engine cannot be used afterwards. */
  dispose(): Promise<void>;
}
