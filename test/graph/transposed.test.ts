import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensorsHeader, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { Graph, type Value } from "../../src/graph/graph.js";
import type { Target } from "../../src/graph/lowering.js";
import { add, scale } from "../../src/graph/ops/elementwise.js";
import { affine } from "../../src/graph/ops/products.js";
import { rows } from "../../src/graph/ops/shapes.js";
import { createEngine, openFolder } from "../../src/platform/node/platform.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { StoredTensor } from "../../src/tensor/stored-tensor.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu" });
});
afterAll(() => engine.dispose());

const [ROWS, COLUMNS] = [24, 40];
const x = randn([3, COLUMNS], new Generator(1));
const matrix = randn([ROWS, COLUMNS], new Generator(2));
const turned = Tensor.from(
  Float32Array.from({ length: matrix.size }, (_, i) => matrix.data[(i % ROWS) * COLUMNS + Math.floor(i / ROWS)] as number),
  [COLUMNS, ROWS],
);

/** The matrix as a file holds it: as it is, or its transpose. */
async function stored(tensor: Tensor<DType>, transposed: boolean): Promise<StoredTensor> {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "model.safetensors"), { weight: tensor });
  const { tensors } = await readSafetensorsHeader(openFolder(folder), "model.safetensors");
  const found = tensors.get("weight");
  if (!found) throw new Error("no weight");
  return { ...toStoredTensor(found, "model.safetensors"), transposed };
}

async function product(weight: StoredTensor, target: Target, change: (weight: Value) => Value = (same) => same): Promise<Tensor> {
  const graph = new Graph({ capabilities: { device: target } });
  const input = graph.input("x", "float32", x.shape);
  // The operand is a result as well, which ONNX Runtime's fusing of a Transpose into the product does not bear.
  const operand = add(input, graph.constant([0]));
  graph.output("operand", operand);
  graph.output("y", affine(operand, change(graph.weight(weight, [ROWS, COLUMNS]))));
  const session = await engine.load(graph.finish());
  try {
    return (await session.run({ x })).y as Tensor;
  } finally {
    await session.release();
  }
}

describe("a weight that is stored transposed", () => {
  it("gives, to the bit, the results of one that is not", async () => {
    expect(await product(await stored(turned, true), "cpu")).toEqual(await product(await stored(matrix, false), "cpu"));
  });

  it("does so in half precision, too", async () => {
    const [there, here] = [await stored(turned.to("float16"), true), await stored(matrix.to("float16"), false)];
    expect(await product(there, "cpu")).toEqual(await product(here, "cpu"));
  });

  it("is multiplied as it is stored on devices that prepare no weights", async () => {
    expectClose(await product(await stored(turned, true), "cuda"), await product(await stored(matrix, false), "cuda"), 1e-5);
  });

  it.each(["cpu", "cuda"] as const)("has rows like any other, on %s", async (target) => {
    const middle = (weight: Value) => rows(weight, 5, 17);
    const expected = await product(await stored(matrix, false), target, middle);
    expect(expected.shape).toEqual([3, 12]);
    expectClose(await product(await stored(turned, true), target, middle), expected, 1e-5);
    const half = await product(await stored(matrix.to("float16"), false), target, middle);
    expectClose(await product(await stored(turned.to("float16"), true), target, middle), half, 1e-5);
  });

  it.each(["cpu", "cuda"] as const)("can be changed like any other, on %s", async (target) => {
    const twice = (weight: Value) => weight.graph.changed(weight, "doubled", (own) => scale(own, 2));
    const expected = (await product(await stored(matrix, false), target)).mul(2);
    expectClose(await product(await stored(turned, true), target, twice), expected, 1e-5);
  });
});
