import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { Graph, type Value } from "../../src/graph/graph.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { convolve } from "../../src/graph/ops/convolution.js";
import { Scope } from "../../src/graph/scope.js";
import { createEngine } from "../../src/platform/node/engine.js";
import { openFolder } from "../../src/platform/node/folder.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Shape, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { onnxOf } from "../helpers/graphs.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

type Convolution = (x: Value, weight: Value, bias: Value) => Value;
const fast: Convolution = (x, weight, bias) => convolve(x, weight, bias, { padding: 1 });
const direct: Convolution = (x, weight, bias) => conv2d(x, weight, bias, { padding: 1 });

describe("Winograd's convolution", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ device: "cpu" });
  });
  afterAll(() => engine.dispose());

  async function graphOf([batch = 1, channels = 1, ...sides]: Shape, outChannels: number, convolution: Convolution): Promise<Graph> {
    const generator = new Generator(1);
    const folder = temporaryFolder();
    writeSafetensors(join(folder, "model.safetensors"), {
      "conv.weight": randn([outChannels, channels, 3, 3], generator),
      "conv.bias": randn([outChannels], generator),
    });
    const graph = new Graph({ capabilities: { device: "cpu" } });
    const w = new Scope(graph, await openWeights(openFolder(folder))).at("conv");
    const [weight, bias] = [w.tensor("weight", [outChannels, channels, 3, 3]), w.tensor("bias", [outChannels])];
    graph.output("y", convolution(graph.input("x", "float32", [batch, channels, ...sides]), weight, bias));
    return graph;
  }

  async function run(x: Tensor, outChannels: number, convolution: Convolution): Promise<Tensor> {
    const session = await engine.load((await graphOf(x.shape, outChannels, convolution)).finish());
    try {
      const { y } = await session.run({ x });
      return y as Tensor;
    } finally {
      await session.release();
    }
  }

  it.each([
    ["sizes that squares of 4 divide", [1, 128, 32, 32], 128],
    ["sizes that they do not divide", [2, 128, 33, 30], 160],
    ["several pictures in a batch", [3, 128, 16, 24], 128],
    ["rows of more squares than one group", [1, 128, 20, 100], 128],
    ["kernels in several blocks", [2, 640, 12, 16], 384],
    ["a picture in several bands of rows", [1, 128, 326, 398], 128],
  ])("gives the results of the direct one, for %s", async (_, shape, outChannels) => {
    const x = randn(shape, new Generator(2));
    // The sums of 1152 to 5760 products are up to 400.
    expect(largestDifference(await run(x, outChannels, fast), await run(x, outChannels, direct))).toBeLessThan(2e-3);
  });

  it.each([
    ["pictures", [1, 128, 12, 20], 128],
    ["channels", [1, 64, 64, 64], 128],
    ["channels of the result", [1, 128, 64, 64], 64],
  ])("is not used for %s too few or small to gain", async (_, shape, outChannels) => {
    const bytes = async (convolution: Convolution) => (await onnxOf(await graphOf(shape, outChannels, convolution))).length;
    expect(await bytes(fast)).toBe(await bytes(direct));
  });
});
