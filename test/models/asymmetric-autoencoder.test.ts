import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/generate.js";
import {
  AsymmetricAutoencoderKL,
  AutoencoderKL,
  DiffusionPipeline,
  Generator,
  randn,
  type StableDiffusionInpaintPipeline,
  Tensor,
} from "../../src/index.js";
import { input, opened } from "../cli/pictures.js";
import { changedPart } from "../helpers/checkpoints.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

const device = "cpu";
const FOUR = "options/vae-asymmetric";
const TWO = checkpoint("options/vae-asymmetric-two");
const open = (options = {}) => opened(AsymmetricAutoencoderKL.fromPretrained(checkpoint(FOUR), { device, ...options }));
const fixture = (name: string) => {
  const { tensor } = readFixture("models", name);
  return (key: string) => tensor(key) as Tensor;
};

describe("AsymmetricAutoencoderKL", () => {
  it("encodes and decodes as diffusers does", async () => {
    const tensor = fixture("vae_asymmetric");
    const vae = await open();
    const { latentDist } = await vae.encode(tensor("picture"));
    expectClose(latentDist.mean, tensor("mean"));
    expectClose(latentDist.logvar, tensor("logvar"));
    expectClose((await vae.decode(tensor("latents"))).sample, tensor("decoded"));
    expect([vae.scaleFactor, vae.config.forceUpcast]).toEqual([8, false]);
  });

  it("keeps the unmasked part of a picture as diffusers does, picture by picture as well", async () => {
    const tensor = fixture("vae_asymmetric_mask");
    const [latents, image, mask] = [tensor("latents"), tensor("image"), tensor("mask")];
    expectClose((await (await open()).decode(latents, { image, mask })).sample, tensor("decoded"));
    const saving = await open({ lowMemory: true });
    expectClose((await saving.decode(latents, { image, mask })).sample, tensor("decoded"));
    const first = { image: image.slice(0, 1), mask: mask.slice(0, 1) };
    const both = await saving.decode(latents, first);
    expectClose(both.sample.slice(1), (await (await open()).decode(latents.slice(1), first)).sample);
  });

  it("refuses a picture or mask of another shape, one without the other, and tiling", async () => {
    const vae = await open();
    const latents = Tensor.zeros([2, 4, 2, 3]);
    const [image, mask] = [Tensor.zeros([1, 3, 16, 24]), Tensor.zeros([1, 1, 16, 24])];
    const refuse = async (condition: object, message: RegExp) =>
      expect(vae.decode(latents, { image, mask, ...condition } as never)).rejects.toThrow(message);
    await refuse({ mask: Tensor.zeros([1, 1, 2, 3]) }, /mask is \[1, 1, 2, 3\]/);
    await refuse({ image: Tensor.zeros([3, 3, 16, 24]) }, /image is \[3, 3, 16, 24\]/);
    await refuse({ mask: undefined }, /mask/);
    await expect(vae.encode(Tensor.zeros([1, 3, 16, 20]))).rejects.toThrow(/divisible by 8/);
    vae.memory.tiling = true;
    await expect(vae.decode(latents)).rejects.toThrow(/no tiling/);
  });

  it("refuses configs whose lists do not go together", async () => {
    const types = (count: number) => Array(count).fill("UpDecoderBlock2D");
    const failing = (config: object) =>
      expect(AsymmetricAutoencoderKL.fromPretrained(changedPart(FOUR, { config: { ...config } }), { device })).rejects;
    await failing({ up_block_types: types(3) }).toThrow(/up_block_out_channels has 4 entries; up_block_types has 3/);
    await failing({ up_block_types: types(3), up_block_out_channels: [4, 8, 16] }).toThrow(
      /down_block_types has 4 entries; up_block_types has 3/,
    );
    await failing({ down_block_types: ["SkipDownBlock2D"] }).toThrow(/down_block_types.0 is "SkipDownBlock2D"/);
  });

  it("replaces a checkpoint's autoencoder in an inpainting pipeline, in generate as well, and is saved", async () => {
    const vae = await opened(AsymmetricAutoencoderKL.fromPretrained(TWO, { device }));
    const pipe = (await opened(
      DiffusionPipeline.fromPretrained(checkpoint("sd1-inpaint-mini"), { device, vae, safetyChecker: null }),
    )) as unknown as StableDiffusionInpaintPipeline;
    const call = { prompt: "a fox", numInferenceSteps: 2, seed: 4, width: 16, height: 16 };
    const mask = Tensor.zeros([1, 1, 16, 16]);
    const { images } = await pipe.generate({ ...call, image: input, maskImage: mask, numImagesPerPrompt: 2 });
    expect(images).toHaveLength(2);
    const image = new Blob([new Uint8Array(await input.encode("png"))]);
    const [made] = (await generate({ ...call, model: checkpoint("sd1-inpaint-mini"), vae: TWO, device, image, maskImage: image })).pictures;
    expect(made?.image).toMatchObject({ width: 16, height: 16 });
    const folder = `${temporaryFolder()}/saved`;
    await vae.savePretrained(folder);
    const again = await opened(AsymmetricAutoencoderKL.fromPretrained(folder, { device }));
    const latents = randn([1, 4, 3, 2], new Generator(1));
    expect(await again.decode(latents)).toEqual(await vae.decode(latents));
  });
});

describe("AutoencoderKL with attention in its blocks", () => {
  it("encodes and decodes as diffusers does", async () => {
    const tensor = fixture("vae_attention");
    const vae = await opened(AutoencoderKL.fromPretrained(checkpoint("options/vae-attention"), { device }));
    const { latentDist } = await vae.encode(tensor("image"));
    expectClose(latentDist.mean, tensor("mean"));
    expectClose(latentDist.logvar, tensor("logvar"));
    expectClose((await vae.decode(tensor("latents"))).sample, tensor("decoded"));
  });
});
