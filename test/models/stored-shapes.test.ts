import { describe, expect, it } from "vitest";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { changedPart, type Tensors } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";

const latents = randn([1, 4, 8, 8], new Generator(1));

/** Tensors whose names fit, with so many axes: of one number at the end, or without those. */
const reshaped = (pattern: RegExp, axes: (rank: number) => number) => (tensors: Tensors) =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      if (!pattern.test(name)) return [name, tensor];
      const shape = tensor.shape.filter((extent, i) => i < 2 || extent !== 1);
      return [name, tensor.reshape([...shape, ...Array.from({ length: axes(shape.length) - shape.length }, () => 1)])];
    }),
  );

describe("axes of extent 1 at a shape's end do not matter", () => {
  const decode = async (folder: string) => {
    await using vae = await AutoencoderKL.fromPretrained(folder, { device: "cpu" });
    return await vae.decode(latents);
  };
  const attention = /attentions\.0\.(query|key|value|proj_attn|to_q|to_k|to_v|to_out\.0)\.(weight|bias)$/;

  it.each([
    ["of an autoencoder's attention, [C, 1, 1] and [C, C, 1, 1]", "sd1-mini/vae", attention, (rank: number) => rank + 2],
    ["of its projections to latents, [C, C] for [C, C, 1, 1]", "sd2-mini/vae", /quant_conv\.(weight|bias)$/, (rank: number) => rank],
  ])("%s", async (_, part, pattern, axes) => {
    expect(await decode(changedPart(part, { weights: reshaped(pattern, axes) }))).toEqual(await decode(checkpoint(part)));
  });

  it("of a UNet's projections: matrices in place of convolutions, and the reverse", async () => {
    const predict = async (folder: string) => {
      await using unet = await UNet2DConditionModel.fromPretrained(folder, { device: "cpu" });
      return await unet.forward(latents, 5, { encoderHiddenStates: randn([1, 3, 32], new Generator(2)) });
    };
    for (const [part, axes] of [
      ["sd1-mini/unet", 2],
      ["sd2-mini/unet", 4],
    ] as const) {
      const changed = changedPart(part, { weights: reshaped(/proj_(in|out)\.weight$/, () => axes) });
      expect(await predict(changed)).toEqual(await predict(checkpoint(part)));
    }
  });

  it("but a wrong extent is refused", async () => {
    const weights = (tensors: Tensors) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [
          name,
          /to_q\.bias$|query\.bias$/.test(name) ? tensor.reshape([1, ...tensor.shape]) : tensor,
        ]),
      );
    await expect(decode(changedPart("sd1-mini/vae", { weights }))).rejects.toThrow(
      /to_q\.bias is \[1, \d+\]; config\.json asks for \[\d+\]/,
    );
  });
});
