import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Graph, type Value } from "../../src/graph/graph.js";
import { gatedGelu, gelu, hasGatedGelu, silu } from "../../src/graph/ops/activations.js";
import { attention } from "../../src/graph/ops/attention.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { add, mul } from "../../src/graph/ops/elementwise.js";
import { groupNormalize, layerNormalize } from "../../src/graph/ops/norms.js";
import { affine } from "../../src/graph/ops/products.js";
import { split } from "../../src/graph/ops/shapes.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { CLIPTextModel } from "../../src/models/clip-text.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Shape, Tensor } from "../../src/tensor/tensor.js";
import { changedPart } from "../helpers/checkpoints.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { relativeDifference } from "../helpers/half-precision.js";

// Chromium's software driver has no half precision; Mesa's lavapipe has, if it is not older than 2024.
const lavapipe = ["lvp_icd.x86_64.json", "lvp_icd.json"].map((name) => `/usr/share/vulkan/icd.d/${name}`).find(existsSync);
if (lavapipe) process.env.VK_ICD_FILENAMES ??= lavapipe;
const gpu = await createEngine({ device: "webgpu", precision: "fast" }).catch(() => undefined);
afterAll(() => gpu?.dispose());

describe.skipIf(gpu?.precision !== "fast")("WebGPU in half precision", () => {
  let cpu: Engine;
  beforeAll(async () => {
    cpu = await createEngine({ device: "cpu" });
  });
  afterAll(() => cpu.dispose());

  /** How far a graph of random inputs is from its result on the CPU. */
  async function distance(shapes: readonly Shape[], build: (...values: Value[]) => Value, size = 1): Promise<number> {
    const generator = new Generator(0);
    const inputs = shapes.map((shape) => randn(shape, generator).mul(size));
    const run = async (engine: Engine) => {
      const graph = new Graph({
        capabilities: { device: engine.device, halfPrecision: engine.precision === "fast" },
        precision: engine.precision,
      });
      graph.output("out", build(...inputs.map(({ shape }, i) => graph.input(`in${i}`, "float32", shape))));
      const session = await engine.load(graph.finish());
      const { out } = await session.run(Object.fromEntries(inputs.map((input, i) => [`in${i}`, input])));
      await session.release();
      return out as Tensor;
    };
    return relativeDifference(await run(gpu as Engine), await run(cpu));
  }

  const gate = (x: Value) => {
    const [value, gate] = split(x, 2, 2) as [Value, Value];
    return hasGatedGelu(x, 2560) ? gatedGelu(x) : mul(value, gelu(gate));
  };
  const ones = ({ graph }: Value, shape: Shape) => graph.constant(new Float32Array(shape[0] ?? 0).fill(1), shape, graph.float);
  const zeros = ({ graph }: Value, shape: Shape) => graph.constant(new Float32Array(shape[0] ?? 0), shape, graph.float);
  const narrowed = (w: Value) => w.graph.cast(w, w.graph.float);

  // One operation: its inputs' rounding, its own, and that of the provider's sums, which are in half precision in products.
  it.each<[string, readonly Shape[], (...values: Value[]) => Value]>([
    [
      "convolves",
      [
        [2, 9, 16, 24],
        [16, 9, 3, 3],
      ],
      (x, w) => conv2d(x as Value, narrowed(w as Value), undefined, { padding: 1 }),
    ],
    [
      "multiplies with weights",
      [
        [64, 96],
        [32, 96],
      ],
      (x, w) => affine(x as Value, narrowed(w as Value)),
    ],
    [
      "attends",
      [
        [2, 64, 80],
        [2, 77, 80],
        [2, 77, 80],
      ],
      (q, k, v) => attention(q as Value, k as Value, v as Value, 2),
    ],
    ["gates a GELU", [[2, 5, 2560]], (x) => gate(narrowed(x as Value))],
    ["activates", [[2, 300]], (x) => silu(add(x as Value, narrowed(x as Value)))],
  ])("%s nearly like the CPU", async (_, shapes, build) => {
    expect(await distance(shapes, build)).toBeLessThan(5e-3);
  });

  it("normalises groups with sums of squares that overflow half precision", async () => {
    const norm = (x: Value) => groupNormalize(x, 2, 1e-5, ones(x, [8, 1, 1]), zeros(x, [8, 1, 1]));
    expect(await distance([[1, 8, 64, 64]], norm as (x?: Value) => Value, 1000)).toBeLessThan(1e-3);
  });

  it("normalises rows with sums of squares that overflow half precision", async () => {
    const norm = (x: Value) => layerNormalize(x, 1e-5, ones(x, [640]), zeros(x, [640]));
    expect(await distance([[16, 640]], norm as (x?: Value) => Value, 1000)).toBeLessThan(1e-3);
  });

  // Networks: ten to a hundred operations one after another.
  it("encodes text within 1 % of diffusers", async () => {
    const { tensor } = readFixture("models", "text_sd1-mini");
    await using text = await CLIPTextModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "text_encoder", engine: gpu });
    const { lastHiddenState } = await text.forward(tensor("input_ids") as Tensor<"int64">);
    expect(relativeDifference(lastHiddenState, tensor("last_hidden_state") as Tensor)).toBeLessThan(1e-2);
  });

  it("predicts noise within 2 % of diffusers", async () => {
    const { tensor } = readFixture("models", "unet_sd1-mini");
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet", engine: gpu });
    const { sample } = await unet.forward(tensor("sample") as Tensor, tensor("timestep") as Tensor<"int64">, {
      encoderHiddenStates: tensor("encoder_hidden_states") as Tensor,
    });
    expect(relativeDifference(sample, tensor("out") as Tensor)).toBeLessThan(2e-2);
  });

  it("decodes latents within 2 % of the CPU", async () => {
    const folder = changedPart("sd1-mini/vae", { config: { force_upcast: false } });
    const decode = async (engine: Engine | undefined) => {
      await using vae = await AutoencoderKL.fromPretrained(folder, { engine });
      return (await vae.decode(randn([1, 4, 8, 8], new Generator(0)))).sample;
    };
    expect(relativeDifference(await decode(gpu), await decode(cpu))).toBeLessThan(2e-2);
  });
});
