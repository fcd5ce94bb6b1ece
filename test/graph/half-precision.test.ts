import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Graph, type GraphOptions } from "../../src/graph/graph.js";
import { add, mul, scale } from "../../src/graph/ops/elementwise.js";
import { affine } from "../../src/graph/ops/products.js";
import { concat } from "../../src/graph/ops/shapes.js";
import { Scope } from "../../src/graph/scope.js";
import { fourierEmbedding, sinusoidalEmbedding } from "../../src/layers/embeddings.js";
import { diskFile } from "../../src/platform/node/disk-file.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { StoredTensor } from "../../src/tensor/stored-tensor.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { onnxText } from "../helpers/graphs.js";
import { temporaryFolder } from "../helpers/temporary.js";

const HALF: GraphOptions = { capabilities: { device: "cuda", halfPrecision: true }, precision: "fast" };

let cpu: Engine;
beforeAll(async () => {
  cpu = await createEngine({ device: "cpu" });
});
afterAll(() => cpu.dispose());

async function run(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor> {
  const session = await cpu.load(graph.finish());
  const { y } = await session.run(feeds);
  await session.release();
  return y as Tensor;
}

function stored(values: Tensor, dtype: DType): StoredTensor {
  const file = join(temporaryFolder(), "w.bin");
  const { data } = values.to(dtype as "float16");
  writeSync(openSync(file, "w"), new Uint8Array(data.buffer));
  return { name: "weight", dtype, shape: values.shape, file: diskFile(file), offset: 0, length: data.byteLength };
}

/** How often an operation is written down in a model. */
async function count(graph: Graph, op: string): Promise<number> {
  return (await onnxText(graph)).split(`"${String.fromCharCode(op.length)}${op}`).length - 1;
}

describe("half precision", () => {
  it.each([
    [{ capabilities: { device: "webgpu", halfPrecision: true }, precision: "fast" }, "float16"],
    [{ capabilities: { device: "cuda", halfPrecision: true }, precision: "fast" }, "float16"],
    [{ capabilities: { device: "webgpu", halfPrecision: true }, precision: "exact" }, "float32"],
    [{ capabilities: { device: "webgpu", halfPrecision: true } }, "float32"],
    [{ capabilities: { device: "webgpu", halfPrecision: false }, precision: "fast" }, "float32"],
    [{ capabilities: { device: "webgpu" }, precision: "fast" }, "float32"],
    [{ capabilities: { device: "cpu", halfPrecision: true }, precision: "fast" }, "float32"],
  ] as const)("for %j: %s", (options, float) => {
    const graph = new Graph(options);
    expect(graph.float).toBe(float);
    const weight = { name: "w", dtype: "float32", shape: [2, 2], file: { id: "w.bin" }, offset: 0, length: 16 } as const;
    expect(affine(graph.input("x", "float32", [1, 2]), graph.weight(weight, [2, 2])).dtype).toBe(float);
  });

  it("uses half-precision weights of a file without a cast", async () => {
    const layer = (dtype: DType) => {
      const graph = new Graph(HALF);
      graph.output("y", affine(graph.input("x", "float32", [1, 2]), graph.weight(stored(Tensor.zeros([2, 2]), dtype), [2, 2])));
      return count(graph, "Cast");
    };
    // The input's and the output's; then the weight's.
    expect(await layer("float16")).toBe(2);
    expect(await layer("float32")).toBe(3);
    expect(await layer("bfloat16")).toBe(3);
  });

  it.each(["float32", "float16", "bfloat16"] as const)("computes with %s weights and gives float32", async (dtype) => {
    const graph = new Graph(HALF);
    graph.output("y", affine(graph.input("x", "float32", [1, 2]), graph.weight(stored(Tensor.from([1, 2, 3, 4]), dtype), [2, 2])));
    const y = await run(graph, { x: Tensor.from([1, 2], [1, 2]) });
    expect(y.dtype).toBe("float32");
    expect(y.toArray()).toEqual([5, 11]);
  });

  it("narrows values that meet a narrow one", () => {
    const graph = new Graph(HALF);
    const wide = graph.input("wide", "float32", [1, 2]);
    const narrow = affine(wide, graph.weight(stored(Tensor.zeros([2, 2]), "float16"), [2, 2]));
    expect([add(wide, narrow), mul(narrow, wide), concat([wide, narrow], 0), scale(narrow, 2)].map(({ dtype }) => dtype)).toEqual(
      Array(4).fill("float16"),
    );
    expect(add(wide, scale(wide, 2)).dtype).toBe("float32");
  });

  it("leaves the sines of timesteps in float32", async () => {
    const waves = (options: GraphOptions) => {
      const graph = new Graph(options);
      graph.output("y", sinusoidalEmbedding(graph.input("t", "float32", [2]), { width: 32, flipSinToCos: true, freqShift: 0 }));
      return run(graph, { t: Tensor.from([999, 501.25]) });
    };
    expectClose(await waves(HALF), await waves({}), 1e-6);
  });

  it("leaves random frequencies, and the sines of noise levels, in float32", async () => {
    const frequencies = stored(randn([16], new Generator(0)).mul(16), "float32");
    const source = { name: "unet", has: () => true, get: () => frequencies };
    const waves = (options: GraphOptions) => {
      const graph = new Graph(options);
      graph.output("y", fourierEmbedding(graph.input("level", "float32", [2]), new Scope(graph, source), 16));
      return run(graph, { level: Tensor.from([80, 0.05]) });
    };
    expectClose(await waves(HALF), await waves({}), 1e-6);
  });

  it("changes weights in float32, and narrows the result", () => {
    const graph = new Graph(HALF);
    const weight = graph.weight(stored(Tensor.from([1]), "float16"), [1, 1]);
    const seen: DType[] = [];
    const changed = graph.changed(weight, "doubled", (own) => {
      const result = scale(own, 2);
      seen.push(own.dtype, result.dtype);
      return result;
    });
    expect(seen).toEqual(["float32", "float32"]);
    expect(changed.dtype).toBe("float16");
  });
});
