import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { Graph, type GraphOptions, type Value } from "../../src/graph/graph.js";
import { encodeOnDisk } from "../../src/platform/node/disk-file.js";
import type { DType } from "../../src/tensor/dtype.js";
import { type Shape, sizeOf, Tensor } from "../../src/tensor/tensor.js";

/** What a graph's result was said to be while it was built, and what ONNX Runtime made of it. */
export interface Evaluated {
  readonly declared: Value;
  readonly result: Tensor;
}

/** Builds a graph with one result and runs it in ONNX Runtime itself, without the engine. `input` declares a tensor and feeds it. */
export async function evaluate(
  build: (graph: Graph, input: (tensor: Tensor<DType>) => Value) => Value,
  options: GraphOptions = {},
): Promise<Evaluated> {
  const graph = new Graph(options);
  const feeds: Record<string, OrtTensor> = {};
  const declared = build(graph, ({ dtype, shape, data }) => {
    const name = `input${Object.keys(feeds).length}`;
    feeds[name] = new OrtTensor(dtype as "float32", data as Float32Array, shape);
    return graph.input(name, dtype, shape);
  });
  graph.output("result", declared);
  const { bytes, sessionConfig } = await encodeOnDisk(graph.finish().model);
  const session = await InferenceSession.create(bytes, {
    graphOptimizationLevel: "basic",
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    extra: { session: sessionConfig },
  });
  try {
    const { result } = await session.run(feeds);
    if (!result) throw new Error("no result");
    return { declared, result: new Tensor(result.type as "float32", result.dims, (result.data as Float32Array).slice()) };
  } finally {
    await session.release();
  }
}

/** Small numbers that are all different, so that a misplaced one shows. */
export function ramp(shape: Shape): Tensor {
  return Tensor.from(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + 1)),
    shape,
  );
}
