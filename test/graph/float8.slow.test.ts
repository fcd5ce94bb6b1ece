import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { Graph, type GraphOptions, type Value } from "../../src/graph/graph.js";
import { convolve } from "../../src/graph/ops/convolution.js";
import { affine, linearProduct } from "../../src/graph/ops/products.js";
import { Scope } from "../../src/graph/scope.js";
import { createEngine, openFolder } from "../../src/platform/node/platform.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import type { Tensors } from "../helpers/checkpoints.js";
import { type Float8Options, inFloat8, widened } from "../helpers/float8.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(softwareDriver)) process.env.VK_ICD_FILENAMES ??= softwareDriver;
const gpu = await createEngine({ device: "webgpu" }).catch(() => undefined);
afterAll(() => gpu?.dispose());

let cpu: Engine;
beforeAll(async () => {
  cpu = await createEngine({ device: "cpu", precision: "fast" });
});
afterAll(() => cpu.dispose());

const [OUT, IN] = [160, 128];
const tensors: Tensors = { "layer.weight": randn([OUT, IN], new Generator(1)), "conv.weight": randn([OUT, IN, 3, 3], new Generator(2)) };
const x = randn([1, 100, IN], new Generator(3));
const picture = randn([1, IN, 20, 20], new Generator(4));

async function results(own: Tensors, engine: Engine, options: GraphOptions): Promise<readonly Tensor[]> {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "model.safetensors"), own);
  const graph = new Graph(options);
  const w = new Scope(graph, await openWeights(openFolder(folder)));
  const [features, pixels] = [graph.input("x", "float32", x.shape), graph.input("picture", "float32", picture.shape)];
  const narrow = (value: Value) => graph.cast(value, graph.float);
  graph.output("product", linearProduct(features, w.at("layer").tensor("weight", [OUT, IN])));
  graph.output("rows", affine(narrow(features), w.at("layer").rows("weight", [OUT, IN], 32, 96)));
  graph.output("convolution", convolve(narrow(pixels), w.at("conv").tensor("weight", [OUT, IN, 3, 3]), undefined, { padding: 1 }));
  const session = await engine.load(graph.finish());
  try {
    const found = await session.run({ x, picture });
    return ["product", "rows", "convolution"].map((name) => found[name] as Tensor);
  } finally {
    await session.release();
  }
}

describe("fp8 weights", () => {
  const perRow: Float8Options = { dtype: "float8_e4m3fn", scales: { count: "row", names: "weight_scale" } };
  const kinds: readonly [string, Float8Options][] = [
    ["E4M3 with a scale for each row", perRow],
    ["E5M2 with one scale", { dtype: "float8_e5m2", scales: { count: "one", names: "scale_weight" } }],
    ["E4M3 without scales", { dtype: "float8_e4m3fn" }],
  ];
  const expectEqual = async (kind: Float8Options, engine: Engine, options: () => GraphOptions) => {
    const narrow = inFloat8(tensors, kind);
    expect(await results(narrow, engine, options())).toEqual(await results(widened(narrow), engine, options()));
  };

  it.each(kinds)("give the results of widened weights, to the bit: %s", (_, kind) => expectEqual(kind, cpu, () => ({})));

  it.each(kinds)("do so when they are widened once, at load: %s", (_, kind) => expectEqual(kind, cpu, () => ({ widensOnce: true })));

  it.each(kinds)("do so if products are in bytes: %s", (_, kind) =>
    expectEqual(kind, cpu, () => {
      return { capabilities: cpu.capabilities, precision: "fast", byteWeights: cpu.scratchFile?.() };
    }),
  );

  it.each(kinds)("do so in half precision: %s", (_, kind) =>
    expectEqual(kind, cpu, () => ({ capabilities: { device: "cuda", halfPrecision: true }, precision: "fast" })),
  );

  it.skipIf(!gpu)("do so on WebGPU", () => expectEqual(perRow, gpu as Engine, () => ({ capabilities: { device: "webgpu" } })));
});
