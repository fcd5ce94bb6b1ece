import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { convolve } from "../../src/graph/convolution.js";
import { Graph } from "../../src/graph/graph.js";
import { Scope } from "../../src/graph/scope.js";
import { createEngine } from "../../src/platform/node-engine.js";
import { openFolder } from "../../src/platform/node-folder.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Shape, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const CHANNELS = 128;
const PLENTY = 2 ** 30;

describe("Winograd's convolution", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ device: "cpu" });
  });
  afterAll(() => engine.dispose());

  async function graphOf(shape: Shape, spareBytes: number): Promise<Graph> {
    const generator = new Generator(1);
    const folder = temporaryFolder();
    writeSafetensors(join(folder, "model.safetensors"), {
      "conv.weight": randn([CHANNELS, CHANNELS, 3, 3], generator),
      "conv.bias": randn([CHANNELS], generator),
    });
    const graph = new Graph({ target: "cpu", spareBytes });
    const w = new Scope(graph, await openWeights(openFolder(folder))).at("conv");
    const [weight, bias] = [w.tensor("weight", [CHANNELS, CHANNELS, 3, 3]), w.tensor("bias", [CHANNELS])];
    graph.output("y", convolve(graph.input("x", "float32", shape), weight, bias, { padding: 1 }));
    return graph;
  }

  async function run(x: Tensor, spareBytes: number): Promise<Tensor> {
    const session = await engine.load((await graphOf(x.shape, spareBytes)).encode());
    try {
      const { y } = await session.run({ x });
      return y as Tensor;
    } finally {
      await session.release();
    }
  }

  it.each([
    ["sizes that squares of 4 divide", [2, CHANNELS, 32, 32]],
    ["sizes that they do not divide", [2, CHANNELS, 33, 30]],
    ["sizes of several bands of rows", [1, CHANNELS, 201, 398]],
  ])("gives what the direct one gives, for %s", async (_, shape) => {
    const x = randn(shape, new Generator(2));
    // The sums of 1152 products are up to about 150.
    expect(largestDifference(await run(x, PLENTY), await run(x, 0))).toBeLessThan(1e-3);
  });

  it("is taken where there is memory to spare, and not where there is none", async () => {
    const preparations = async (spareBytes: number) => (await graphOf([1, CHANNELS, 32, 32], spareBytes)).encode().preparations?.length;
    expect(await preparations(PLENTY)).toBe(1);
    expect(await preparations(0)).toBe(0);
  });

  it("is not taken for pictures too small to gain", async () => {
    expect((await graphOf([1, CHANNELS, 28, 28], PLENTY)).encode().preparations).toEqual([]);
  });
});
