import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
import { toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { Graph, type Value } from "../../src/graph/graph.js";
import { scale } from "../../src/graph/ops/elementwise.js";
import { linearProduct } from "../../src/graph/ops/products.js";
import { rows } from "../../src/graph/ops/shapes.js";
import { diskFile } from "../../src/platform/node/disk-file.js";
import { createEngine, openFolder } from "../../src/platform/node/platform.js";
import type { Engine } from "../../src/runtime/engine.js";
import { BLOCK_FORMATS } from "../../src/tensor/block-format.js";
import { dequantise } from "../../src/tensor/dequantise.js";
import { quantiseQ8 } from "../../src/tensor/quantise.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { StoredTensor } from "../../src/tensor/stored-tensor.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FILE = "gguf_tensors.gguf";
const weights = readTensors("test/fixtures/quantised/gguf_tensors.safetensors");

/** x [..., in] times the transpose of weight [out, in], plus bias, in float64. */
function product(x: Tensor, weight: Float32Array, bias: Float32Array): number[] {
  const out = bias.length;
  const features = weight.length / out;
  return Array.from({ length: (x.data.length / features) * out }, (_, place) => {
    const [row, column] = [Math.floor(place / out), place % out];
    let sum = bias[column] as number;
    for (let i = 0; i < features; i++) sum += (x.data[row * features + i] as number) * (weight[column * features + i] as number);
    return sum;
  });
}

describe.each(["cpu", "wasm"] as const)("products with quantised weights on %s", (device) => {
  let engine: Engine;
  let stored: ReadonlyMap<string, StoredTensor>;
  beforeAll(async () => {
    engine = await createEngine({ device });
    const { tensors } = await readGgufHeader(openFolder("test/checkpoints/quantised"), FILE);
    stored = new Map([...tensors].map(([name, tensor]) => [name, toStoredTensor(tensor, FILE)]));
  });
  afterAll(() => engine.dispose());

  it.each([...BLOCK_FORMATS, ...["Q4_0", "Q8_0"].map((format) => `real.${format}`)])(
    "%s gives what its numbers give, whole and in rows",
    async (name) => {
      const tensor = stored.get(name) as StoredTensor;
      const [out = 0, features = 0] = tensor.shape;
      const numbers = weights[name]?.data as Float32Array;
      const [x, bias] = [randn([2, 5, features], new Generator(1)), randn([out], new Generator(2))];
      const graph = new Graph({ capabilities: engine.capabilities });
      const [input, added] = [graph.input("x", "float32", x.shape), graph.input("bias", "float32", bias.shape)];
      const weight = graph.weight(tensor, tensor.shape);
      graph.output("whole", linearProduct(input, weight, added));
      graph.output("rows", linearProduct(input, rows(weight, 1, out), rows(added, 1, out)));
      const session = await engine.load(graph.finish());
      try {
        const results = await session.run({ x, bias });
        const expected = product(x, numbers, bias.data);
        const largest = Math.max(...expected.map(Math.abs));
        for (const [i, value] of expected.entries()) {
          expect(Math.abs(value - Number(results.whole?.data[i]))).toBeLessThan(largest * 4e-6);
        }
        const others = product(x, numbers.slice(features), bias.data.slice(1));
        for (const [i, value] of others.entries()) {
          expect(Math.abs(value - Number(results.rows?.data[i]))).toBeLessThan(largest * 4e-6);
        }
      } finally {
        await session.release();
      }
    },
  );
});

describe("quantised weights of a whole layer", () => {
  const [rows, out, features] = [80, 96, 128];
  const numbers = randn([out, features], new Generator(7)).data;
  const [x, bias] = [randn([rows, features], new Generator(8)), randn([out], new Generator(9))];
  const packed = quantiseQ8(numbers);
  const expected = product(x, dequantise("Q8_0", packed), bias.data);
  const largest = Math.max(...expected.map(Math.abs));

  async function run(precision: "exact" | "fast", layer: (x: Value, weight: Value, bias: Value) => Value): Promise<Tensor> {
    const file = join(temporaryFolder({ "weight.bin": packed }), "weight.bin");
    const tensor: StoredTensor = {
      name: "weight",
      dtype: "float32",
      shape: [out, features],
      file: diskFile(file),
      offset: 0,
      length: packed.length,
      packing: { format: "Q8_0" },
    };
    const engine = await createEngine({ device: "cpu", precision });
    try {
      const graph = new Graph({
        capabilities: engine.capabilities,
        precision,
        ...(precision === "fast" && { byteWeights: engine.scratchFile?.() }),
      });
      graph.output(
        "y",
        layer(graph.input("x", "float32", x.shape), graph.weight(tensor, tensor.shape), graph.input("bias", "float32", [out])),
      );
      const session = await engine.load(graph.finish());
      const { y } = await session.run({ x, bias });
      await session.release();
      return y as Tensor;
    } finally {
      await engine.dispose();
    }
  }

  const errorOf = (result: Tensor, factor = 1) =>
    Math.max(...expected.map((value, i) => Math.abs(value * factor - Number(result.data[i]))));

  it("are computed in bytes in fast mode", async () => {
    const error = errorOf(await run("fast", linearProduct));
    expect(error).toBeGreaterThan(largest * 1e-4);
    expect(error).toBeLessThan(largest * 0.03);
  });

  it("can be changed once, as fused adapters change them", async () => {
    const doubled = await run("exact", (x, weight, bias) =>
      linearProduct(
        x,
        weight.graph.changed(weight, "doubled", (own) => scale(own, 2)),
        scale(bias, 2),
      ),
    );
    expect(errorOf(doubled, 2)).toBeLessThan(largest * 1e-5);
  });
});
