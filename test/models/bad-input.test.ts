import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { CLIPTextModel } from "../../src/models/clip-text.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import type { Engine } from "../../src/runtime/engine.js";
import { type Shape, Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";

/** No input gets as far as an engine here. */
const engine: Engine = {
  device: "cpu",
  capabilities: { device: "cpu" },
  load: () => Promise.reject(new Error("a network was built")),
  dispose: () => Promise.resolve(),
};

async function expectRefused(work: Promise<unknown>, message: RegExp): Promise<void> {
  await expect(work).rejects.toThrow(ArgumentError);
  await expect(work).rejects.toThrow(message);
}

describe("a UNet refuses", () => {
  const predict = async (sample: Shape, context: Shape, timestep: number | Tensor = 1, name = "sd1-mini") => {
    const unet = await UNet2DConditionModel.fromPretrained(checkpoint(name), { subfolder: "unet", engine });
    return unet.forward(Tensor.zeros(sample), timestep, { encoderHiddenStates: Tensor.zeros(context) });
  };

  it.each<[string, Shape, Shape, RegExp]>([
    ["a sample of other channels", [1, 9, 8, 8], [1, 7, 32], /^sample is \[1, 9, 8, 8\]; expected \[batch, 4, height, width\]$/],
    ["a sample without a batch", [4, 8, 8], [1, 7, 32], /^sample is \[4, 8, 8\]/],
    ["a context of another width", [1, 4, 8, 8], [1, 7, 48], /^encoderHiddenStates is \[1, 7, 48\]; expected \[1, tokens, 32\]$/],
    ["a context of another batch", [2, 4, 8, 8], [1, 7, 32], /^encoderHiddenStates is \[1, 7, 32\]; expected \[2, tokens, 32\]$/],
    ["a context without tokens", [1, 4, 8, 8], [1, 0, 32], /^encoderHiddenStates is \[1, 0, 32\]/],
  ])("%s", async (_, sample, context, message) => {
    await expectRefused(predict(sample, context), message);
  });

  it("timesteps that are neither one nor one for each picture", async () => {
    await expectRefused(predict([3, 4, 8, 8], [3, 7, 32], Tensor.from([1, 2])), /^timestep is \[2\]; expected \[3\]$/);
  });

  it("added conditions that it does not use, and their absence if it needs them", async () => {
    await expectRefused(predict([1, 4, 8, 8], [1, 7, 32], 1, "sdxl-base-mini"), /this UNet needs addedCond/);
    const unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet", engine });
    const addedCond = { textEmbeds: Tensor.zeros([1, 32]), timeIds: Tensor.zeros([1, 6]) };
    const work = unet.forward(Tensor.zeros([1, 4, 8, 8]), 1, { encoderHiddenStates: Tensor.zeros([1, 7, 32]), addedCond });
    await expectRefused(work, /this UNet takes no addedCond/);
  });
});

describe("an autoencoder refuses", () => {
  const open = () => AutoencoderKL.fromPretrained(checkpoint("sd1-mini"), { subfolder: "vae", engine });

  it("a picture with sides that are not multiples of its factor", async () => {
    await expectRefused((await open()).encode(Tensor.zeros([1, 3, 16, 15])), /^picture of 15x16: both sides must be divisible by 2$/);
  });

  it("a picture with an alpha channel", async () => {
    await expectRefused(
      (await open()).encode(Tensor.zeros([1, 4, 16, 16])),
      /^image is \[1, 4, 16, 16\]; expected \[batch, 3, height, width\]/,
    );
  });

  it("latents of another width", async () => {
    await expectRefused(
      (await open()).decode(Tensor.zeros([1, 16, 8, 8])),
      /^latents is \[1, 16, 8, 8\]; expected \[batch, 4, height, width\]/,
    );
  });
});

describe("a text encoder refuses", () => {
  const encode = async (ids: readonly number[], options = {}) => {
    const model = await CLIPTextModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "text_encoder", engine });
    return model.forward(new Tensor("int64", [1, ids.length], BigInt64Array.from(ids, BigInt)), options);
  };

  it("more tokens than it has positions", async () => {
    await expectRefused(encode(Array.from({ length: 78 }, () => 0)), /^78 tokens were given; the text encoder takes at most 77$/);
  });

  it.each([-1, 1_000_000])("the token %i, which is not in its vocabulary", async (id) => {
    await expectRefused(encode([0, id]), new RegExp(`^token ${id} is not in the text encoder's vocabulary of \\d+$`));
  });

  it("no tokens at all", async () => {
    await expectRefused(encode([]), /^inputIds is \[1, 0\]; expected \[batch, tokens\]$/);
  });

  it.each([-1, 0.5, 99, Number.NaN])("clipSkip %d", async (clipSkip) => {
    await expectRefused(encode([0, 1], { clipSkip }), /^clipSkip is .*; expected a whole number from 0 to \d$/);
  });
});
