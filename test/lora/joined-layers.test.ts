import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, openFolder } from "#platform";
import { openWeights, type Weights } from "../../src/checkpoint/weights.js";
import { Graph } from "../../src/graph/graph.js";
import { Scope } from "../../src/graph/scope.js";
import { linear } from "../../src/layers/basic.js";
import { readLora } from "../../src/lora/lora-file.js";
import { matchLora } from "../../src/lora/match-lora.js";
import { NetworkAdapters } from "../../src/lora/network-adapters.js";
import { fusedTensor } from "../../src/models/fused-tensor.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const WIDTH = 8;
const JOINED = "double_blocks.0.img_attn.qkv";
const PARTS = ["to_q", "to_k", "to_v"].map((name) => `transformer_blocks.0.attn.${name}`);
const generator = new Generator(0);
const random = (...shape: number[]) => randn(shape, generator);

/** Layers by which FLUX.1's transformer is known. */
const FLUX = {
  "single_transformer_blocks.0.proj_mlp.weight": random(3, WIDTH),
  "time_text_embed.text_embedder.linear_1.weight": random(3, WIDTH),
};

/** What a method has for a layer of `ins` to `out` numbers. */
const METHODS: Readonly<Record<string, (ins: number, out: number) => Readonly<Record<string, Tensor>>>> = {
  LoRA: (ins, out) => ({ "lora_down.weight": random(2, ins), "lora_up.weight": random(out, 2), alpha: Tensor.from([1]) }),
  "LoRA with a bias": (ins, out) => ({ "lora_A.weight": random(2, ins), "lora_B.weight": random(out, 2), "lora_B.bias": random(out) }),
  LoHa: (ins, out) => ({ hada_w1_a: random(out, 2), hada_w1_b: random(2, ins), hada_w2_a: random(out, 2), hada_w2_b: random(2, ins) }),
  "LoKr whose blocks end with the parts": (ins, out) => ({ lokr_w1: random(3, 2), lokr_w2: random(out / 3, ins / 2) }),
  "LoKr whose blocks cross the parts": (ins, out) => ({ lokr_w1: random(4, 4), lokr_w2: random(out / 4, ins / 4) }),
  "LoKr of products": (ins, out) => ({
    lokr_w1_a: random(4, 2),
    lokr_w1_b: random(2, 2),
    lokr_w2_a: random(out / 4, 2),
    lokr_w2_b: random(2, ins / 2),
    alpha: Tensor.from([1]),
  }),
  GLoRA: (ins, out) => ({
    "a1.weight": random(ins, 2),
    "a2.weight": random(2, ins),
    "b1.weight": random(out, 2),
    "b2.weight": random(2, ins),
  }),
  "full differences": (ins, out) => ({ diff: random(out, ins), diff_b: random(out) }),
  "DoRA with lengths of rows": (ins, out) => ({
    "lora_down.weight": random(2, ins),
    "lora_up.weight": random(out, 2),
    dora_scale: random(out, 1),
  }),
  "IA3 on the outputs": (_, out) => ({ weight: random(out), on_input: Tensor.from([0]) }),
  "IA3 on the inputs": (ins) => ({ weight: random(ins), on_input: Tensor.from([1]) }),
};

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu" });
});
afterAll(() => engine.dispose());

async function openTensors(tensors: Readonly<Record<string, Tensor>>): Promise<Weights> {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "model.safetensors"), tensors);
  return openWeights(openFolder(folder), {});
}

function product(a: Tensor, b: Tensor): Tensor {
  const [rows = 0, inner = 0] = a.shape;
  const [, columns = 0] = b.shape;
  const cell = (i: number, j: number) =>
    Array.from({ length: inner }, (_, k) => (a.data[i * inner + k] ?? 0) * (b.data[k * columns + j] ?? 0)).reduce(
      (sum, each) => sum + each,
      0,
    );
  return Tensor.from(
    Array.from({ length: rows * columns }, (_, at) => cell(Math.floor(at / columns), at % columns)),
    [rows, columns],
  );
}

/** A network's adapters: a LoRA at 0.7. */
async function adapted(weights: Weights, lora: Readonly<Record<string, Tensor<DType>>>): Promise<NetworkAdapters> {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "fox.safetensors"), lora);
  const { changes, leftOut } = matchLora(await readLora(openFolder(folder), "fox.safetensors"), new Map([["transformer", { weights }]]));
  expect(leftOut).toEqual([]);
  const adapters = new NetworkAdapters();
  adapters.add("fox", changes.get("transformer") ?? new Map());
  adapters.activate(new Map([["fox", { all: 0.7 }]]));
  return adapters;
}

/** The tensors of a network that a LoRA at 0.7 is fused into. */
async function fused(weights: Weights, lora: Readonly<Record<string, Tensor<DType>>>, names: readonly string[]): Promise<Tensor[]> {
  const adapters = await adapted(weights, lora);
  adapters.fuse(1);
  return Promise.all(names.map((name) => fusedTensor(name, weights.get(name).shape, { weights, adapters, engine })));
}

const under = (layer: string, tensors: Readonly<Record<string, Tensor>>) =>
  Object.fromEntries(Object.entries(tensors).map(([end, tensor]) => [`${layer}.${end}`, tensor]));

describe("an adapter of a joined layer changes its parts as it changes the whole", () => {
  it.each(Object.entries(METHODS))("%s", async (_, method) => {
    const lora = under(JOINED, method(WIDTH, 3 * WIDTH));
    const weights = PARTS.map(() => random(WIDTH, WIDTH));
    const biases = PARTS.map(() => random(WIDTH));
    const [first, ...others] = weights as [Tensor, ...Tensor[]];
    const [bias, ...otherBiases] = biases as [Tensor, ...Tensor[]];
    const whole = await openTensors({
      [`${JOINED}.weight`]: concat([first, ...others], 0),
      [`${JOINED}.bias`]: concat([bias, ...otherBiases], 0),
    });
    const parts = await openTensors({
      ...Object.fromEntries(
        PARTS.flatMap((name, i) => [
          [`${name}.weight`, weights[i] as Tensor],
          [`${name}.bias`, biases[i] as Tensor],
        ]),
      ),
      ...FLUX,
    });
    for (const kind of ["weight", "bias"]) {
      const [expected] = await fused(whole, lora, [`${JOINED}.${kind}`]);
      const [one, ...more] = (await fused(
        parts,
        lora,
        PARTS.map((name) => `${name}.${kind}`),
      )) as [Tensor, ...Tensor[]];
      expect(largestDifference(concat([one, ...more], 0), expected as Tensor)).toBeLessThan(1e-5);
    }
  });

  it("is left out with the reason if it cannot be divided: a DoRA with lengths of columns", async () => {
    const weights = await openTensors({
      ...Object.fromEntries(PARTS.map((name) => [`${name}.weight`, random(WIDTH, WIDTH)])),
      ...FLUX,
    });
    const folder = temporaryFolder();
    writeSafetensors(
      join(folder, "fox.safetensors"),
      under(JOINED, { "lora_down.weight": random(2, WIDTH), "lora_up.weight": random(3 * WIDTH, 2), dora_scale: random(1, WIDTH) }),
    );
    const lora = await readLora(openFolder(folder), "fox.safetensors");
    expect(() => matchLora(lora, new Map([["transformer", { weights }]]))).toThrow(
      `${JOINED} is several layers in this network; a DoRA with lengths of columns cannot be divided among them`,
    );
  });
});

describe("an adapter of the modulation before the output", () => {
  const original = "final_layer.adaLN_modulation.1";

  it.each(["LoRA", "LoHa", "LoKr of products", "GLoRA", "full differences"])(
    "has shift and scale the other way round in its authors' layout: %s",
    async (name) => {
      const tensors = METHODS[name]?.(WIDTH, 2 * WIDTH) ?? {};
      const lora = under(original, tensors);
      const halves = [random(WIDTH, WIDTH), random(WIDTH, WIDTH)] as const;
      const theirs = await openTensors({ [`${original}.weight`]: concat([...halves], 0) });
      const ours = await openTensors({
        "norm_out.linear.weight": concat([halves[1], halves[0]], 0),
        ...FLUX,
      });
      const weightOnly = Object.fromEntries(Object.entries(lora).filter(([key]) => !key.endsWith("diff_b")));
      const [expected] = await fused(theirs, weightOnly, [`${original}.weight`]);
      const [found] = await fused(ours, weightOnly, ["norm_out.linear.weight"]);
      const [shift, scale] = [0, 1].map((i) => (found as Tensor).slice(i * WIDTH, (i + 1) * WIDTH)) as [Tensor, Tensor];
      expect(largestDifference(concat([scale, shift], 0), expected as Tensor)).toBeLessThan(1e-5);
    },
  );
});

describe("a LoRA of FLUX.1 on FLUX.1 Fill, whose first layer has more inputs", () => {
  it("reads the first inputs, beside the layer and in its weight", async () => {
    const [down, up, weight] = [random(2, WIDTH), random(5, 2), random(5, 3 * WIDTH)];
    const weights = await openTensors({ "x_embedder.weight": weight, ...FLUX });
    const lora = under("transformer.x_embedder", { "lora_A.weight": down, "lora_B.weight": up });
    const difference = product(up, down).mul(0.7);
    const widened = weight.add(concat([difference, Tensor.zeros([5, 2 * WIDTH])], 1));
    const [found] = await fused(weights, lora, ["x_embedder.weight"]);
    expect(largestDifference(found as Tensor, widened)).toBeLessThan(1e-5);

    const adapters = await adapted(weights, lora);
    const x = random(4, 3 * WIDTH);
    const graph = new Graph({ capabilities: engine.capabilities });
    const applied = adapters.apply();
    const y = linear(graph.input("x", "float32", x.shape), new Scope(graph, weights, "x_embedder", applied.declare(graph)), 5);
    graph.output("y", y);
    const session = await engine.load(graph.finish());
    const { y: output } = await session.run({ x, ...applied.feeds });
    await session.release();
    expect(largestDifference(output as Tensor, product(x, widened.permute(1, 0)))).toBeLessThan(1e-5);
  });
});

describe("the matrices of a LoRA", () => {
  it.each(["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"] as const)("may be %s", async (dtype) => {
    const [down, up] = [random(2, WIDTH).to(dtype), random(WIDTH, 2).to(dtype)];
    const own = random(WIDTH, WIDTH);
    const weights = await openTensors({ "layers.0.attention.to_q.weight": own });
    const lora = { "layers.0.attention.to_q.lora_down.weight": down, "layers.0.attention.to_q.lora_up.weight": up };
    const [found] = await fused(weights, lora, ["layers.0.attention.to_q.weight"]);
    const expected = own.add(product(up.to("float32"), down.to("float32")).mul(0.7));
    expect(largestDifference(found as Tensor, expected)).toBeLessThan(1e-5);
  });

  it("may have other ranks in each layer, an alpha in some, and leave out blocks", async () => {
    const names = [0, 1].map((i) => `layers.${i}.attention.to_q`);
    const own = names.map(() => random(WIDTH, WIDTH));
    const weights = await openTensors(
      Object.fromEntries(["layers.2.attention.to_q", ...names].map((name, i) => [`${name}.weight`, own[i - 1] ?? random(WIDTH, WIDTH)])),
    );
    const [first, second] = [
      [random(2, WIDTH), random(WIDTH, 2)],
      [random(5, WIDTH), random(WIDTH, 5)],
    ] as const;
    const lora = {
      [`transformer.${names[0]}.lora_A.weight`]: first[0],
      [`transformer.${names[0]}.lora_B.weight`]: first[1],
      [`transformer.${names[0]}.alpha`]: Tensor.from([4]),
      [`transformer.${names[1]}.lora_A.weight`]: second[0],
      [`transformer.${names[1]}.lora_B.weight`]: second[1],
    };
    const found = await fused(
      weights,
      lora,
      names.map((name) => `${name}.weight`),
    );
    const expected = [
      (own[0] as Tensor).add(product(first[1], first[0]).mul(0.7 * 2)),
      (own[1] as Tensor).add(product(second[1], second[0]).mul(0.7)),
    ];
    for (const [i, tensor] of found.entries()) expect(largestDifference(tensor, expected[i] as Tensor)).toBeLessThan(1e-5);
  });
});
