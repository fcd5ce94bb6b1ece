import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NetworkAdapters } from "../../src/lora/network-adapters.js";
import { AsymmetricAutoencoderKL } from "../../src/models/asymmetric-autoencoder-kl.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { AutoencoderTiny } from "../../src/models/autoencoder-tiny.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import { CLIPVisionModelWithProjection } from "../../src/models/clip-vision.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { UNet2DModel } from "../../src/models/unet-2d.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import type { StableDiffusionComponents } from "../../src/pipelines/stable-diffusion-base.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { changedPart } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { halfPrecision, relativeDifference } from "../helpers/half-precision.js";
import { loraFile, openMini } from "../lora/loras.js";

// A number of half precision is off by up to 2^-11 of its size, 3e-4 in the mean; a hundred layers one after another, each adding its own,
// end at ten times that.
const TOLERANCE = 3e-3;

let cpu: Engine;
beforeAll(async () => {
  cpu = await createEngine({ device: "cpu" });
});
afterAll(() => cpu.dispose());

interface Opened {
  readonly adapters: NetworkAdapters;
  dispose(): Promise<void>;
}

/** What a network gives on the CPU, and what it gives in half precision as it is written for a GPU. */
async function both<Network extends Opened>(
  device: "webgpu" | "cuda",
  open: (engine: Engine) => Promise<Network>,
  work: (network: Network) => Promise<Tensor>,
): Promise<{ exact: Tensor; half: Tensor }> {
  const run = async (engine: Engine) => {
    const network = await open(engine);
    const result = await work(network);
    await network.dispose();
    return result;
  };
  return { exact: await run(cpu), half: await run(halfPrecision(cpu, device)) };
}

const noise = (shape: readonly number[], seed: number) => randn(shape, new Generator(seed));
const ids = new Tensor(
  "int64",
  [1, 20],
  BigInt64Array.from({ length: 20 }, (_, i) => BigInt(i)),
);

async function unetStep(unet: UNet2DConditionModel): Promise<Tensor> {
  const { crossAttentionDim, inChannels, additionEmbedType, projectionClassEmbeddingsInputDim, additionTimeEmbedDim } = unet.config;
  const pooled = (projectionClassEmbeddingsInputDim ?? 0) - 6 * (additionTimeEmbedDim ?? 0);
  const addedCond = additionEmbedType ? { textEmbeds: noise([2, pooled], 2), timeIds: noise([2, 6], 3).mul(500) } : undefined;
  const encoderHiddenStates = noise([2, 20, crossAttentionDim as number], 1);
  return (await unet.forward(noise([1, inChannels, 16, 16], 0), 951, { encoderHiddenStates, addedCond })).sample;
}

describe.each(["webgpu", "cuda"] as const)("in half precision for %s", (device) => {
  it.each(["sd1-mini", "sd1-inpaint-mini", "sd2-mini", "sdxl-base-mini"])("the UNet of %s predicts nearly the same", async (name) => {
    const { exact, half } = await both(
      device,
      (engine) => UNet2DConditionModel.fromPretrained(checkpoint(name), { subfolder: "unet", engine }),
      unetStep,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
    expect(half.toArray()).not.toEqual(exact.toArray());
  });

  it.each(["ddpm-mini/unet", "options/unet2d-scale-shift", "options/unet2d-skip", "options/unet2d-fourier-class"])(
    "%s predicts nearly the same",
    async (name) => {
      const { exact, half } = await both(
        device,
        (engine) => UNet2DModel.fromPretrained(checkpoint(name), { engine }),
        async (unet) => {
          const classLabels = name.endsWith("class") ? Tensor.from([3]) : undefined;
          return (await unet.forward(noise([1, unet.config.inChannels, 16, 16], 0), Tensor.from([7]), { classLabels })).sample;
        },
      );
      expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
    },
  );

  it.each(["x2-upscaler-mini/unet", "options/unet-blocks-only-text", "options/unet-blocks-pixels"])(
    "%s predicts nearly the same",
    async (name) => {
      const { exact, half } = await both(
        device,
        (engine) => UNet2DConditionModel.fromPretrained(checkpoint(name), { engine }),
        async (unet) => {
          const { inChannels, crossAttentionDim, timeCondProjDim } = unet.config;
          const timestepCond = timeCondProjDim ? noise([2, timeCondProjDim], 2) : undefined;
          const inputs = { encoderHiddenStates: noise([2, 5, crossAttentionDim as number], 1), timestepCond };
          return (await unet.forward(noise([1, inChannels, 16, 16], 0), 0.4, inputs)).sample;
        },
      );
      expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
    },
  );

  it("an autoencoder that sees the picture decodes nearly the same", async () => {
    const condition = { image: noise([1, 3, 32, 32], 1).clamp(-1, 1), mask: noise([1, 1, 32, 32], 2).map((value) => Number(value > 0)) };
    const { exact, half } = await both(
      device,
      (engine) => AsymmetricAutoencoderKL.fromPretrained(checkpoint("options/vae-asymmetric"), { engine }),
      async (vae) => (await vae.decode(noise([1, 4, 4, 4], 0), condition)).sample,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
  });

  it("a ControlNet's residuals, and a UNet that takes them, are nearly the same", async () => {
    const encoderHiddenStates = noise([2, 20, 32], 1);
    const work = async (engine: Engine) => {
      await using net = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { engine });
      await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet", engine });
      const sample = noise([1, 4, 16, 16], 0);
      const side = 16 * net.scaleFactor;
      const controlnetCond = noise([1, 3, side, side], 2).clamp(0, 1);
      const { downBlockResSamples, midBlockResSample } = await net.forward(sample, 500, { encoderHiddenStates, controlnetCond });
      const residuals = { downBlockAdditionalResiduals: downBlockResSamples, midBlockAdditionalResidual: midBlockResSample };
      return [midBlockResSample, (await unet.forward(sample, 500, { encoderHiddenStates, ...residuals })).sample] as const;
    };
    const [exact, half] = [await work(cpu), await work(halfPrecision(cpu, device))];
    expect(relativeDifference(half[0], exact[0])).toBeLessThan(TOLERANCE);
    expect(relativeDifference(half[1], exact[1])).toBeLessThan(TOLERANCE);
  });

  it.each(["sd1-mini", "sd2-mini"])("the text encoder of %s gives nearly the same, with its mask", async (name) => {
    const { exact, half } = await both(
      device,
      (engine) => CLIPTextModel.fromPretrained(checkpoint(name), { subfolder: "text_encoder", engine }),
      async (text) => (await text.forward(ids)).lastHiddenState,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
  });

  it("text embeddings with a projection are nearly the same", async () => {
    const { exact, half } = await both(
      device,
      (engine) => CLIPTextModelWithProjection.fromPretrained(checkpoint("sdxl-base-mini"), { subfolder: "text_encoder_2", engine }),
      async (text) => (await text.forward(ids)).textEmbeds,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
  });

  it("the image encoder gives nearly the same", async () => {
    const { exact, half } = await both(
      device,
      (engine) => CLIPVisionModelWithProjection.fromPretrained(checkpoint("options/clip-vision"), { engine }),
      async (vision) => (await vision.forward(noise([1, 3, vision.config.imageSize, vision.config.imageSize], 0))).lastHiddenState,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
  });

  it("an autoencoder that does not overflow decodes and encodes nearly the same", async () => {
    const folder = changedPart("sd1-mini/vae", { config: { force_upcast: false } });
    const open = (engine: Engine) => AutoencoderKL.fromPretrained(folder, { engine });
    const decoded = await both(device, open, async (vae) => (await vae.decode(noise([1, 4, 8, 8], 0))).sample);
    expect(relativeDifference(decoded.half, decoded.exact)).toBeLessThan(TOLERANCE);
    const encoded = await both(device, open, async (vae) => (await vae.encode(noise([1, 3, 32, 32], 0))).latentDist.mean);
    expect(relativeDifference(encoded.half, encoded.exact)).toBeLessThan(TOLERANCE);
  });

  it("an autoencoder that overflows in half precision stays in float32", async () => {
    const folder = changedPart("sd1-mini/vae", { config: { force_upcast: true } });
    const { exact, half } = await both(
      device,
      (engine) => AutoencoderKL.fromPretrained(folder, { engine }),
      async (vae) => (await vae.decode(noise([1, 4, 8, 8], 0))).sample,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(1e-5);
  });

  it.each(["sd1_locon", "sd1_peft"])("the LoRA %s changes a UNet nearly the same, beside its layers and fused into them", async (name) => {
    const parts = await openMini();
    const work = async (engine: Engine) => {
      await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet", engine });
      const pipe = new StableDiffusionPipeline({ ...parts, unet } as StableDiffusionComponents);
      const plain = await unetStep(unet);
      await pipe.loadLoraWeights(loraFile(name));
      const added = await unetStep(unet);
      pipe.fuseLora();
      return { plain, added, fused: await unetStep(unet) };
    };
    const [exact, half] = [await work(cpu), await work(halfPrecision(cpu, device))];
    expect(relativeDifference(exact.plain, exact.added)).toBeGreaterThan(10 * TOLERANCE);
    expect(relativeDifference(half.added, exact.added)).toBeLessThan(TOLERANCE);
    expect(relativeDifference(half.fused, exact.added)).toBeLessThan(TOLERANCE);
  });

  it("the tiny autoencoder decodes nearly the same", async () => {
    const { exact, half } = await both(
      device,
      (engine) => AutoencoderTiny.fromPretrained(checkpoint("taesd-mini"), { engine }),
      async (vae) => (await vae.decode(noise([1, 4, 8, 8], 0))).sample,
    );
    expect(relativeDifference(half, exact)).toBeLessThan(TOLERANCE);
  });
});
