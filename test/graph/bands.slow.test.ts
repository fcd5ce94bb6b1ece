import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { ConfigError } from "../../src/errors.js";
import { Graph, type Value } from "../../src/graph/graph.js";
import type { Target } from "../../src/graph/lowering.js";
import { silu } from "../../src/graph/ops/activations.js";
import { joinRows, takeRows } from "../../src/graph/ops/bands.js";
import { add, mul, sub } from "../../src/graph/ops/elementwise.js";
import { doubled } from "../../src/graph/ops/resampling.js";
import { slice } from "../../src/graph/ops/shapes.js";
import { Scope } from "../../src/graph/scope.js";
import { conv, groupNorm } from "../../src/layers/basic.js";
import { kDownBlock, kDownsample, kUpsample } from "../../src/layers/k-blocks.js";
import { downsample, resnetBlock, upsample } from "../../src/layers/resnet.js";
import { createEngine } from "../../src/platform/node/engine.js";
import { openFolder } from "../../src/platform/node/folder.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { type Shape, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { onnxText } from "../helpers/graphs.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { evaluate, ramp } from "./onnx-runtime.js";

describe("a picture in bands", () => {
  const whole = ramp([1, 2, 9, 3]);
  const bandsOf = (picture: Value, ...ends: number[]) =>
    joinRows(ends.map((end, i) => slice(picture, 2, i === 0 ? 0 : (ends[i - 1] ?? 0), end)));

  it.each([
    ["one band", 3, 7],
    ["a part of one band", 4, 6],
    ["parts of several bands", 2, 8],
    ["all of it", 0, 9],
  ])("gives the rows of %s", async (_, start, end) => {
    const { result } = await evaluate((_, input) => takeRows(bandsOf(input(whole), 3, 7, 9), start, end));
    const { result: expected } = await evaluate((_, input) => slice(input(whole), 2, start, end));
    expect(result.toArray()).toEqual(expected.toArray());
  });

  it("is added to one in other bands, to a whole one, and to a number a channel", async () => {
    const perChannel = ramp([2, 1, 1]);
    const sum = (divided: boolean) =>
      evaluate((_, input) => {
        const [a, b] = [input(whole), input(whole)];
        const first = add(divided ? bandsOf(a, 4, 9) : a, divided ? bandsOf(b, 2, 5, 9) : b);
        return add(mul(first, input(perChannel)), input(whole));
      });
    expect((await sum(true)).result.toArray()).toEqual((await sum(false)).result.toArray());
  });

  it("is joined only if an operation needs all of it", async () => {
    const concats = async (use: (picture: Value) => Value) => {
      const graph = new Graph();
      const bands = [0, 1].map((i) => graph.input(`band${i}`, "float32", [1, 2, 4, 3]));
      graph.output("y", use(silu(joinRows(bands))));
      return (await onnxText(graph)).split("Concat").length - 1;
    };
    expect(await concats((picture) => takeRows(picture, 0, 4))).toBe(0);
    expect(await concats((picture) => picture)).toBe(1);
  });
});

/** A picture of 128 channels and this size is worked on in bands, the last of which is of fewer rows. */
const [HEIGHT, WIDTH] = [330, 398];

interface Network {
  readonly weights: Readonly<Record<string, Shape>>;
  readonly build: (x: Value, w: Scope) => Value | Promise<Value>;
}

const convolution = (name: string, channels: number, outChannels: number, kernel = 3) => ({
  [`${name}.weight`]: [outChannels, channels, kernel, kernel],
  [`${name}.bias`]: [outChannels],
});
const linear = (name: string, width: number, channels: number) => ({
  [`${name}.weight`]: [channels, width],
  [`${name}.bias`]: [channels],
});
const norm = (name: string, channels: number) => ({ [`${name}.weight`]: [channels], [`${name}.bias`]: [channels] });
const RESNET = { groups: 32, epsilon: 1e-6, activation: "silu" } as const;
const resnet = (name: string, channels: number, outChannels: number) => ({
  ...norm(`${name}.norm1`, channels),
  ...convolution(`${name}.conv1`, channels, outChannels),
  ...norm(`${name}.norm2`, outChannels),
  ...convolution(`${name}.conv2`, outChannels, outChannels),
  ...(channels === outChannels ? {} : convolution(`${name}.conv_shortcut`, channels, outChannels, 1)),
});

const NETWORKS: readonly (readonly [what: string, input: Shape, network: Network])[] = [
  [
    "a convolution of colours, a norm of what it gives, and one back to colours",
    [1, 3, HEIGHT, WIDTH],
    {
      weights: { ...convolution("in", 3, 128), ...norm("norm", 128), ...convolution("out", 128, 3) },
      build: (x, w) => conv(silu(groupNorm(conv(x, w.at("in"), 128), w.at("norm"), 32, 1e-6)), w.at("out"), 3),
    },
  ],
  [
    "an upsampling, a residual block and a downsampling",
    [1, 128, HEIGHT / 2, WIDTH / 2],
    {
      weights: { ...convolution("up.conv", 128, 128), ...resnet("block", 128, 128), ...convolution("down.conv", 128, 128) },
      build: (x, w) => downsample(resnetBlock(upsample(x, w.at("up"), 128), undefined, w.at("block"), 128, RESNET), w.at("down"), 128, 0),
    },
  ],
  [
    "residual blocks of fewer and fewer channels, whose bands differ",
    [1, 64, HEIGHT, WIDTH],
    {
      weights: { ...convolution("in", 64, 256), ...resnet("first", 256, 128), ...resnet("second", 128, 64) },
      build: (x, w) => {
        const wide = resnetBlock(conv(x, w.at("in"), 256), undefined, w.at("first"), 128, RESNET);
        return resnetBlock(wide, undefined, w.at("second"), 64, RESNET);
      },
    },
  ],
  [
    "norms whose gains are an embedding's, a row for each picture, and filters that halve and double the size",
    [2, 64, HEIGHT, WIDTH],
    {
      weights: {
        ...linear("resnets.0.norm1.linear", 3, 128),
        ...convolution("resnets.0.conv1", 64, 64),
        ...linear("resnets.0.norm2.linear", 3, 128),
        ...convolution("resnets.0.conv2", 64, 64),
      },
      build: async (x, w) => {
        const temb = x.graph.constant([0.5, -0.2, 0.1, -0.4, 0.3, 0.2], [2, 3]);
        const block = { channels: 64, layers: 1, activation: "gelu", epsilon: 1e-5, attention: undefined, attendsToItself: false } as const;
        return kUpsample(kDownsample(await kDownBlock(x, temb, w, block)));
      },
    },
  ],
  [
    "a batch, and a downsampling with padding all around",
    [2, 128, 235, 254],
    {
      weights: { ...resnet("block", 128, 128), ...convolution("down.conv", 128, 128) },
      build: (x, w) => downsample(resnetBlock(x, undefined, w.at("block"), 128, RESNET), w.at("down"), 128, 1),
    },
  ],
];

describe("large pictures", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ device: "cpu" });
  });
  afterAll(() => engine.dispose());

  async function scopeOf(graph: Graph, weights: Network["weights"]): Promise<Scope> {
    const generator = new Generator(1);
    const folder = temporaryFolder();
    const scaled = (shape: Shape) =>
      randn(shape, generator).mul(1 / Math.sqrt(shape.slice(1).reduce((product, size) => product * size, 1)));
    writeSafetensors(
      join(folder, "model.safetensors"),
      Object.fromEntries(Object.entries(weights).map(([name, shape]) => [name, scaled(shape)])),
    );
    return new Scope(graph, await openWeights(openFolder(folder)));
  }

  /** A graph for the target runs on the CPU, whatever the target. */
  async function run(target: Target, x: Tensor, { weights, build }: Network): Promise<Tensor> {
    const graph = new Graph({ capabilities: { device: target } });
    graph.output("y", await build(graph.input("x", "float32", x.shape), await scopeOf(graph, weights)));
    const session = await engine.load(graph.finish());
    try {
      const { y } = await session.run({ x });
      return y as Tensor;
    } finally {
      await session.release();
    }
  }

  it.each(NETWORKS)("have the same results in bands as whole: %s", async (_, shape, network) => {
    const x = randn(shape, new Generator(2));
    expect(largestDifference(await run("cpu", x, network), await run("cuda", x, network))).toBeLessThan(1e-4);
  });

  it("are normalised to rounding if the mean is far from 0 and differs between bands", async () => {
    const network: Network = {
      weights: { ...convolution("in", 3, 128), ...norm("norm", 128) },
      build: (x, w) => groupNorm(add(conv(x, w.at("in"), 128), x.graph.constant([100], [])), w.at("norm"), 32, 1e-6),
    };
    const noise = randn([1, 3, HEIGHT, WIDTH], new Generator(2));
    const x = Tensor.from(
      noise.data.map((value, i) => value + (Math.floor(i / WIDTH) % HEIGHT) / 50),
      noise.shape,
    );
    expect(largestDifference(await run("cpu", x, network), await run("cuda", x, network))).toBeLessThan(3e-4);
  });

  it("are normalised to their bias, within torch's own rounding, if all numbers of a group are equal", async () => {
    const network: Network = {
      weights: norm("norm", 4),
      build: (x, w) => sub(groupNorm(doubled(x), w.at("norm"), 4, 1e-6), w.at("norm").tensor("bias", [4], [4, 1, 1])),
    };
    const side = 1000;
    const x = Tensor.from([0.1, 3.7, -2.3, 1.9], [4, 1])
      .repeatInterleave(side ** 2)
      .reshape([1, 4, side, side]);
    expect(largestDifference(await run("cpu", x, network), Tensor.zeros([1, 4, 2 * side, 2 * side]))).toBeLessThan(1e-3);
  });

  it("are refused if their channels do not divide into groups", async () => {
    const graph = new Graph();
    const w = await scopeOf(graph, { ...convolution("in", 3, 128), ...norm("norm", 128) });
    const x = conv(graph.input("x", "float32", [1, 3, HEIGHT, WIDTH]), w.at("in"), 128);
    expect(() => groupNorm(x, w.at("norm"), 48, 1e-6)).toThrow(ConfigError);
  });

  it.each<[string, Target, Shape]>([
    ["of a size that fits the caches", "cpu", [1, 3, 64, 64]],
    ["for another device", "webgpu", [1, 3, HEIGHT, WIDTH]],
  ])("are the only ones in bands, not a picture %s", async (_, target, shape) => {
    const graph = new Graph({ capabilities: { device: target } });
    const w = await scopeOf(graph, convolution("in", 3, 128));
    expect(conv(graph.input("x", "float32", shape), w.at("in"), 128).bands).toBeUndefined();
  });
});
