import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { OnnxRuntime } from "../../runtime/onnx-runtime.js";
import type { NamedData } from "../../runtime/transport.js";
import type { DType } from "../../tensor/dtype.js";
import { removeScratch, removeStaleScratch, writeScratch } from "./scratch-file.js";

type OrtTensors = Readonly<Record<string, OrtTensor>>;

/** ONNX Runtime for Node. */
export function openRuntime(): OnnxRuntime {
  // The runtime also throws its errors. Its log would only break the progress bar in the terminal.
  env.logLevel = "fatal";
  return nodeRuntime;
}

const nodeRuntime: OnnxRuntime = {
  async createSession(model, options) {
    const session = await InferenceSession.create(model, options);
    return {
      async run(feeds, places) {
        if (!places) return fromOrt(await session.run(toOrt(feeds)));
        const results = toOrt(places);
        await session.run(toOrt(feeds), results);
        return fromOrt(results);
      },
      release: () => session.release(),
    };
  },
  scratch: { write: writeScratch, remove: removeScratch, removeStale: removeStaleScratch },
};

function toOrt(tensors: NamedData): OrtTensors {
  const entries = Object.entries(tensors);
  return Object.fromEntries(
    entries.map(([name, { dtype, data, shape }]) => [name, new OrtTensor(dtype as "float32", data as Float32Array, shape)]),
  );
}

function fromOrt(tensors: OrtTensors): NamedData {
  const entries = Object.entries(tensors);
  return Object.fromEntries(
    entries.map(([name, { type, data, dims }]) => [name, { dtype: type as DType, data: data as Float32Array, shape: dims }]),
  );
}
