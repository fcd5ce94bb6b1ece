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
  /** Starts a thread for ONNX Runtime. @throws DeviceError */
  startThread(): Transport;
  /** The devices that "auto" tries before the CPU, in order. */
  autoDevices(): readonly ResolvedDevice[];
  /** Why a device cannot work, as far as that can be seen without starting it; undefined if nothing is missing. */
  missingFor(device: ResolvedDevice): string | undefined;
  /** What a device needs, for the hint of an error. */
  needsOf(device: ResolvedDevice): string;
  /** Whether the GPU drivers in use compute in software; false if that cannot be known. */
  computesInSoftware(): boolean;
  /** Encodes a model for the platform's ONNX Runtime, which must find the files of its weights. @throws ArgumentError if it cannot. */
  encode(model: OnnxModel): EncodedModel;
  /** A new file, for weights that are converted when a graph is loaded. */
  scratchFile(): FileRef;
}
