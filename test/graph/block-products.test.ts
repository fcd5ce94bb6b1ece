import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
import { toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { Graph } from "../../src/graph/graph.js";
import { linearProduct } from "../../src/graph/ops/products.js";
import { rows } from "../../src/graph/ops/shapes.js";
import { createEngine, openFolder } from "../../src/platform/node/platform.js";
import type { Engine } from "../../src/runtime/engine.js";
import { BLOCK_FORMATS } from "../../src/tensor/block-format.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { StoredTensor } from "../../src/tensor/stored-tensor.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

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
