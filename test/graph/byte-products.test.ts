import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { type ByteProducts, Graph, type Value } from "../../src/graph/graph.js";
import { type ConvOptions, conv2d } from "../../src/graph/ops/conv2d.js";
import { convolve } from "../../src/graph/ops/convolution.js";
import { scale } from "../../src/graph/ops/elementwise.js";
import { affine, linearProduct } from "../../src/graph/ops/products.js";
import { Scope } from "../../src/graph/scope.js";
import { diskFile, locationOf } from "../../src/platform/node/disk-file.js";
import { createEngine } from "../../src/platform/node/engine.js";
import { openFolder } from "../../src/platform/node/folder.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { FileRef } from "../../src/tensor/stored-tensor.js";
import type { Shape, Tensor } from "../../src/tensor/tensor.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

type Layer = (x: Value, weight: Value, bias: Value) => Value;

describe("products in bytes", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ device: "cpu", precision: "fast" });
  });
  afterAll(() => engine.dispose());

  /** This processor's range, and a new file. */
  function byteProducts(): ByteProducts {
    return { range: engine.capabilities.byteRange ?? 63, file: engine.scratchFile?.() as FileRef };
  }

  async function run(weight: Tensor<DType>, x: Tensor, layer: Layer, byteProducts: ByteProducts | undefined): Promise<Tensor> {
    const folder = temporaryFolder();
    const [out = 0] = weight.shape;
    writeSafetensors(join(folder, "model.safetensors"), { weight, bias: randn([out], new Generator(3)) });
    const graph = new Graph({
      capabilities: { device: "cpu", byteRange: byteProducts?.range },
      precision: "fast",
      byteWeights: byteProducts?.file,
    });
    const w = new Scope(graph, await openWeights(openFolder(folder)));
    graph.output("y", layer(graph.input("x", "float32", x.shape), w.tensor("weight", weight.shape), w.tensor("bias", [out])));
    const session = await engine.load(graph.finish());
    try {
      return (await session.run({ x })).y as Tensor;
    } finally {
      await session.release();
    }
  }

  /** The root mean square of the error of `layer` in bytes, against that of the exact results. */
  async function relativeError(weight: Tensor<DType>, x: Tensor, layer: Layer, exact: Layer, products = byteProducts()): Promise<number> {
    const [found, expected] = [await run(weight, x, layer, products), await run(weight, x, exact, undefined)];
    expect(found.shape).toEqual(expected.shape);
    const power = ({ data }: Tensor) => data.reduce((sum, value) => sum + value ** 2, 0);
    return Math.sqrt(power(found.sub(expected)) / power(expected));
  }

  const random = (shape: Shape, seed: number) => randn(shape, new Generator(seed));
  const linear: Layer = linearProduct;

  it("have the results of a linear layer, to a hundredth or two", async () => {
    const error = await relativeError(random([96, 80], 1), random([2, 40, 80], 2), linear, affine);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(0.02);
  });

  it("have the results of a linear layer with half-precision weights", async () => {
    expect(await relativeError(random([96, 80], 1).to("float16"), random([2, 40, 80], 2), linear, affine)).toBeLessThan(0.02);
  });

  it("have the results of a changed weight, such as one with a fused LoRA", async () => {
    const changed =
      (layer: Layer): Layer =>
      (x, weight, bias) =>
        layer(
          x,
          weight.graph.changed(weight, "doubled", (own) => scale(own, 2)),
          bias,
        );
    expect(await relativeError(random([96, 80], 1), random([80, 80], 2), changed(linear), changed(affine))).toBeLessThan(0.02);
  });

  // Without VNNI (AVX2 processors) the sum of two 8-bit products is clipped to 16 bits, which costs more than the eighth bit gains.
  it("have the number of bits with the smaller error on this processor: 7 if it clips sums, else 8", async () => {
    const products = byteProducts();
    const error = async (range: 127 | 63) =>
      relativeError(random([96, 80], 1), random([80, 80], 2), linear, affine, {
        ...products,
        range,
        file: diskFile(`${locationOf(products.file)}-${range}`),
      });
    const [seven, eight] = [await error(63), await error(127)];
    expect(products.range).toBe(seven < eight ? 63 : 127);
    expect(Math.min(seven, eight)).toBeLessThan(0.02);
    expect(seven).toBeLessThan(0.03);
  });

  const convolutions: readonly (readonly [string, kernel: number, options: ConvOptions])[] = [
    ["3 x 3 convolution", 3, { padding: 1 }],
    ["1 x 1 convolution", 1, {}],
    ["3 x 3 convolution with a stride", 3, { padding: 1, stride: 2 }],
    ["3 x 3 convolution padded on two sides", 3, { padding: [0, 0, 1, 1], stride: 2 }],
  ];
  it.each(convolutions)("have the results of a %s", async (_, kernel, options) => {
    const quantized: Layer = (x, weight, bias) => convolve(x, weight, bias, options);
    const direct: Layer = (x, weight, bias) => conv2d(x, weight, bias, options);
    // Shifted, so that padding with another byte than zero's would be seen.
    const x = random([2, 64, 9, 14], 4).map((value) => value + 1);
    const error = await relativeError(random([72, 64, kernel, kernel], 5), x, quantized, direct);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(0.02);
  });

  it.each(convolutions.filter(([, kernel]) => kernel === 3))("have the results of a %s of a picture in bands", async (_, __, options) => {
    const quantized: Layer = (x, weight, bias) => {
      const y = convolve(x, weight, bias, options);
      expect(y.bands?.length).toBeGreaterThan(2);
      return y;
    };
    const direct: Layer = (x, weight, bias) => conv2d(x, weight, bias, options);
    const x = random([1, 64, 490, 490], 4).map((value) => value + 1);
    expect(await relativeError(random([64, 64, 3, 3], 5), x, quantized, direct)).toBeLessThan(0.02);
  });

  it("are right for outputs whose weights are all zero", async () => {
    const weight = random([64, 64], 1);
    weight.data.fill(0, 0, 64);
    const y = await run(weight, random([64, 64], 2), linear, byteProducts());
    const bias = randn([64], new Generator(3)).data[0] as number;
    for (let row = 0; row < 64; row++) expect(y.data[row * 64]).toBeCloseTo(bias, 5);
  });

  it.each([
    ["features", [96, 48], [80, 48]],
    ["outputs", [48, 96], [80, 96]],
    ["rows", [96, 96], [40, 96]],
  ])("are not used if there are few %s", async (_, weight, x) => {
    expect(await relativeError(random(weight, 1), random(x, 2), linear, affine)).toBeLessThan(1e-6);
  });

  it("leave no file", async () => {
    const products = byteProducts();
    await run(random([96, 80], 1), random([80, 80], 2), linear, products);
    expect(existsSync(locationOf(products.file))).toBe(false);
  });

  it("remove the file of a killed process, but no file that another process may be reading", async () => {
    const folder = temporaryFolder();
    const [stale, fresh, strange] = ["darkroom-weights-1", "darkroom-weights-2", "darkroom-3"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [stale, fresh, strange]) writeFileSync(path, "");
    const yesterday = new Date(Date.now() - 86_400_000);
    for (const path of [stale, strange]) utimesSync(path, yesterday, yesterday);
    await run(random([96, 80], 1), random([80, 80], 2), linear, { range: 127, file: diskFile(join(folder, "darkroom-weights-own")) });
    expect(readdirSync(folder).toSorted()).toEqual(["darkroom-3", "darkroom-weights-2"]);
  });

  it("name the file if the weights cannot be written to it", async () => {
    const file = join(temporaryFolder(), "missing", "weights");
    const loading = run(random([96, 80], 1), random([80, 80], 2), linear, { range: 127, file: diskFile(file) });
    await expect(loading).rejects.toThrow(`its weights as bytes cannot be written to ${file}: ENOENT`);
  });
});
