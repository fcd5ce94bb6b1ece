import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.js";
import { generate } from "../../src/generate/generate.js";
import { Upscaler } from "../../src/models/upscaler.js";
import { checkpoint } from "../helpers/fixtures.js";

const upscaler = checkpoint("upscalers/compact-x2.safetensors");
const REQUEST = {
  prompt: "a red fox",
  model: checkpoint("sd1-mini"),
  numInferenceSteps: 2,
  seed: 7,
  width: 32,
  height: 16,
  device: "cpu",
} as const;

describe("upscaler", () => {
  it("makes each finished picture larger, and the settings say so", async () => {
    const plain = await generate({ ...REQUEST, numImagesPerPrompt: 2 });
    const large = await generate({ ...REQUEST, numImagesPerPrompt: 2, upscaler });
    await using network = await Upscaler.fromSingleFile(upscaler, { device: "cpu" });
    for (const [i, { image, text }] of large.pictures.entries()) {
      expect(image).toEqual(await network.upscale(plain.pictures[i]?.image as never));
      expect(text.parameters).toMatch(/Size: 32x16.*Postprocess upscale by: 2, Postprocess upscaler: compact-x2/);
    }
  });

  it("refuses a file that is none", async () => {
    const vae = `${checkpoint("sd1-mini")}/vae/diffusion_pytorch_model.safetensors`;
    await expect(generate({ ...REQUEST, upscaler: vae })).rejects.toThrow(CheckpointError);
    await expect(generate({ ...REQUEST, upscaler: vae })).rejects.toThrow(/is an autoencoder, not an upscaler/);
  });
});
