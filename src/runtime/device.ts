import type { Target } from "../graph/lowering.js";
import { callback, type Fields, field, flag, oneOf, whole } from "../options/fields.js";
import type { LoadProgress } from "./load-progress.js";

/**
 * Where networks run. "auto" picks a GPU that works, else the CPU. On Linux it tries CUDA, then WebGPU; elsewhere WebGPU. It does not pick
 * a driver that computes in software. "wasm" is the CPU in WebAssembly, which is slower and runs everywhere: "auto" picks it in a browser
 * without WebGPU, and in Node, with a warning, if the native library does not load. The `device` of a pipeline or model says what was
 * picked.
 */
export type Device = "auto" | ResolvedDevice;

/** A device that was chosen. */
export type ResolvedDevice = Target;

/** The devices a caller can name. */
export const DEVICES: readonly Device[] = ["auto", "cpu", "webgpu", "cuda", "coreml", "dml", "wasm"];

/** Whether the device is the CPU, natively or in WebAssembly: the runtime's own kernels compute, not a provider that brings others. */
export function isProcessor(device: ResolvedDevice): boolean {
  return device === "cpu" || device === "wasm";
}

/**
 * "exact" computes in float32, and matches diffusers within rounding. "fast" is faster, and its pictures differ more. On the CPU it
 * computes matrix products and convolutions in 8-bit integers; on WebGPU and CUDA it computes in half precision, if the device can.
 * Autoencoders with `force_upcast` stay in float32. On the CPU, the weights are converted when a network first runs (2.5 s for Stable
 * Diffusion 1.5). The conversion needs a file in the folder for temporary files (TMPDIR; 0.9 GB), which is removed at once.
 */
export type Precision = "exact" | "fast";

/** The precisions a caller can name. */
export const PRECISIONS: readonly Precision[] = ["exact", "fast"];

/**
 * How the large matrices of transformers, UNets and their language models are quantised: "q8" to 8 bits (ggml's Q8_0), "q4" to 4 bits
 * (Q4_0), in blocks of 32 with a scale for each.
 */
export type Quantisation = "q4" | "q8";

/** The quantisations a caller can name. */
export const QUANTISATIONS: readonly Quantisation[] = ["q4", "q8"];

/** Where and how networks run. */
export interface DeviceOptions {
  /** The device; "auto" by default. */
  readonly device?: Device | undefined;
  /** Which of several GPUs. */
  readonly deviceId?: number | undefined;
  /**
   * Memory before speed: nothing is kept that can be made again, and a network frees its memory as soon as its part of the work is done.
   * Results are equal within rounding.
   */
  readonly lowMemory?: boolean | undefined;
  /** How closely networks compute: "exact" by default. */
  readonly precision?: Precision | undefined;
  /**
   * Quantises the large matrices of transformers, UNets, T5 and Qwen: less memory, not quite the same picture. It is done once, when a
   * checkpoint is opened, and the result is kept in ~/.cache/darkroom/quantised (DARKROOM_CACHE). Norms, biases, embeddings, convolutions,
   * first and last layers and small matrices stay as they are. Weights that are quantised already stay so. Off by default; not in pages.
   */
  readonly quantize?: Quantisation | undefined;
  /**
   * Called while a network is loaded, which happens when it first runs, and again for pictures of another size: with 0 bytes, with all of
   * them, and in WebAssembly and in pages also in between. A network that throws its memory away is loaded again. What it throws ends the
   * call that loads the network.
   */
  readonly onLoadProgress?: ((progress: LoadProgress) => void) | undefined;
}

export const DEVICE_FIELDS: Fields<DeviceOptions> = {
  // Any text is valid here: an unknown device is a DeviceError later.
  device: field((value) => typeof value === "string", `one of ${DEVICES.join(", ")}`),
  deviceId: whole(0),
  lowMemory: flag,
  precision: oneOf(...PRECISIONS),
  quantize: oneOf(...QUANTISATIONS),
  onLoadProgress: callback(),
};
