import type { OnnxModel } from "../graph/onnx.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { ResolvedDevice } from "./device.js";
import type { Transport } from "./transport.js";
import type { WeightMount } from "./wasm/weight-mount.js";

/** A model in the form that ONNX Runtime takes. */
export interface EncodedModel {
  /** The `.onnx` model. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The entries of ONNX Runtime's session configuration by which it finds the files of the weights. */
  readonly sessionConfig: Readonly<Record<string, string>>;
  /** For WebAssembly builds: the weights, each a file of its own. */
  readonly mounts?: readonly WeightMount[];
}

/** What an engine needs from its platform. */
export interface EngineHost {
  /** Whether ONNX Runtime's threads spin while they wait for work. */
  readonly spins: boolean;
  /** Threads that a session on the CPU computes with; if undefined, ONNX Runtime takes one for each core. */
  readonly threads: number | undefined;
  /**
   * Which build of ONNX Runtime computes on a device. Devices of one build are tried in one thread, and fail together if it does not load.
   */
  buildFor(device: ResolvedDevice): string;
  /** Starts a thread for the device's build of ONNX Runtime. @throws DeviceError */
  startThread(device: ResolvedDevice): Transport;
  /**
   * The devices that "auto" tries, in order. A processor is taken without a trial, and replaced by the next build if its own does not load.
   */
  autoDevices(): readonly ResolvedDevice[];
  /** The warning that "auto" takes a device because another build of the runtime does not load, for this reason. */
  replacementNote(device: ResolvedDevice, reason: string): string;
  /** Why a device cannot work, as far as that can be seen without starting it; undefined if nothing is missing. */
  missingFor(device: ResolvedDevice): string | undefined;
  /** What a device needs, for the hint of an error. */
  needsOf(device: ResolvedDevice): string;
  /** Why a device cannot compute in half precision, if that is known. */
  halfProblem?(device: ResolvedDevice): string | undefined;
  /** Whether the GPU drivers in use compute in software; false if that cannot be known. */
  computesInSoftware(): boolean;
  /** Encodes a model for the device's ONNX Runtime, which must find the files of its weights. @throws ArgumentError if it cannot. */
  encode(model: OnnxModel, device: ResolvedDevice): Promise<EncodedModel>;
  /** Bytes that networks can take on the native CPU, at most; undefined if that is not known. */
  availableMemory?(): number | undefined;
  /** A new file, for weights that are converted when a graph is loaded. */
  scratchFile(): FileRef;
}
