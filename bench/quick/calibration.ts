import { InferenceSession, Tensor } from "onnxruntime-node";
import { encodeModel } from "../../src/graph/onnx.js";

/** Times of a call: how long it took, and the processor time of all threads. */
export interface Times {
  readonly seconds: number;
  readonly processor: number;
}

/** A product of floats, as large as many in Stable Diffusion. */
const [ROWS, INNER, COLUMNS] = [1024, 1280, 1280];
const CALLS = 12;

/** Loads a product of float32 matrices of a fixed size, and returns a function that gives the shortest times of several calls of it. */
export async function openCalibration(): Promise<() => Promise<Times>> {
  const port = (name: string, shape: readonly number[]) => ({ name, dtype: "float32" as const, shape });
  const [a, b, product] = [port("a", [ROWS, INNER]), port("b", [INNER, COLUMNS]), port("product", [ROWS, COLUMNS])];
  const node = { op: "MatMul", domain: "" as const, inputs: ["a", "b"], outputs: ["product"], attributes: {} };
  const model = await encodeModel({ nodes: [node], initializers: [], inputs: [a, b], outputs: [product] }, () => "");
  // Threads that spin after a call would disturb the measured process.
  const session = await InferenceSession.create(model, { extra: { session: { intra_op: { allow_spinning: "0" } } } });
  const feeds = { a: filled(a.shape), b: filled(b.shape) };
  return async () => {
    const calls: Times[] = [];
    for (let i = 0; i < CALLS; i++) {
      const [begun, used] = [performance.now(), process.cpuUsage()];
      await session.run(feeds);
      const { user, system } = process.cpuUsage(used);
      calls.push({ seconds: (performance.now() - begun) / 1000, processor: (user + system) / 1e6 });
    }
    return {
      seconds: Math.min(...calls.map(({ seconds }) => seconds)),
      processor: Math.min(...calls.map(({ processor }) => processor)),
    };
  };
}

function filled(shape: readonly number[]): Tensor {
  const data = Float32Array.from({ length: shape.reduce((product, extent) => product * extent, 1) }, (_, i) => (i % 17) / 17 - 0.5);
  return new Tensor("float32", data, shape);
}
