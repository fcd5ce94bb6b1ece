import { describe, expect, it } from "vitest";
import { Graph } from "../../../src/graph/graph.js";
import { add } from "../../../src/graph/ops/elementwise.js";
import { encodeMounted } from "../../../src/runtime/wasm/mounted-model.js";
import type { DType } from "../../../src/tensor/dtype.js";
import type { StoredTensor } from "../../../src/tensor/stored-tensor.js";

const FILE = { id: "model.safetensors" };

function stored(name: string, dtype: DType, offset: number, length: number): StoredTensor {
  return { name, dtype, shape: [4], file: FILE, offset, length };
}

/** The sum of weights of all these types, in a network of this precision. */
function sumOf(dtypes: readonly DType[], precision: "exact" | "fast" = "exact") {
  const graph = new Graph({ capabilities: { device: "webgpu", halfPrecision: true }, precision });
  const weights = dtypes.map((dtype, i) => graph.weight(stored(dtype, dtype, 100 * i, dtype === "float64" ? 32 : 8), [4]));
  graph.output("sum", weights.reduce(add));
  return graph.finish().model;
}

describe("a model whose weights are mounted", () => {
  it("has a file for each weight, with the weight's place in the real file", async () => {
    const { mounts, sessionConfig } = await encodeMounted(sumOf(["float16", "bfloat16"]));
    expect(mounts).toEqual([
      { path: "weight0", file: FILE, offset: 0, length: 8, from: "float16", to: "float16" },
      { path: "weight1", file: FILE, offset: 100, length: 8, from: "bfloat16", to: "bfloat16" },
    ]);
    expect(sessionConfig).toEqual({});
  });

  it("converts weights to what the graph computes in, and leaves its casts out", async () => {
    const model = sumOf(["float16", "bfloat16", "float64"]);
    const { mounts, bytes } = await encodeMounted(model, { convertsWeights: true });
    expect(mounts?.map(({ from, to }) => [from, to])).toEqual([
      ["float16", "float32"],
      ["bfloat16", "float32"],
      ["float64", "float32"],
    ]);
    expect(model.nodes.filter(({ op }) => op === "Cast")).toHaveLength(3);
    expect(new TextDecoder("latin1").decode(bytes)).not.toContain("Cast");
  });

  it("converts weights to half precision for a network that computes in it", async () => {
    const { mounts } = await encodeMounted(sumOf(["bfloat16", "float16"], "fast"), { convertsWeights: true });
    expect(mounts?.map(({ from, to }) => [from, to])).toEqual([
      ["bfloat16", "float16"],
      ["float16", "float16"],
    ]);
  });

  it("makes a weight float32 that is also used without a cast", async () => {
    const { mounts } = await encodeMounted(
      {
        nodes: [
          { op: "Transpose", domain: "", inputs: ["w"], outputs: ["t"], attributes: {} },
          { op: "Cast", domain: "", inputs: ["t"], outputs: ["y"], attributes: { to: 1 } },
        ],
        initializers: [{ name: "w", dtype: "bfloat16", shape: [2, 2], data: { file: FILE, offset: 6, length: 8 } }],
        inputs: [],
        outputs: [{ name: "y", dtype: "float32", shape: [2, 2] }],
      },
      { convertsWeights: true },
    );
    expect(mounts).toEqual([{ path: "weight0", file: FILE, offset: 6, length: 8, from: "bfloat16", to: "float32" }]);
  });
});
