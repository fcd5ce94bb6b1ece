import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ControlNetModel,
  ControlNetUnionModel,
  MultiAdapter,
  MultiControlNetUnionModel,
  StableDiffusionAdapterPipeline,
  StableDiffusionControlNetImg2ImgPipeline,
  StableDiffusionControlNetInpaintPipeline,
  StableDiffusionControlNetPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLControlNetPipeline,
  StableDiffusionXLControlNetUnionInpaintPipeline,
  StableDiffusionXLControlNetUnionPipeline,
  StableDiffusionXLPipeline,
  T2IAdapter,
  Tensor,
} from "../../src/index.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

const [A, B] = [Tensor.full([1, 3, 32, 32], 0.2), Tensor.full([1, 3, 32, 32], 0.9)];
const MASK = Tensor.full([1, 1, 32, 32], 1);
const CALL = { prompt: "a fox", numInferenceSteps: 2, guidanceScale: 3, seed: 1, outputType: "latent" } as const;
const device = "cpu";

let sd1: StableDiffusionPipeline;
let xl: StableDiffusionXLPipeline;
let net: ControlNetModel;
let union: ControlNetUnionModel;
let adapter: T2IAdapter;
beforeAll(async () => {
  sd1 = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device, safetyChecker: null });
  xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device });
  net = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device });
  union = await ControlNetUnionModel.fromPretrained(checkpoint("controlnet-union-mini"), { device });
  adapter = await T2IAdapter.fromPretrained(checkpoint("adapter-mini"), { device });
});
afterAll(async () => {
  for (const part of [sd1, xl, net, union, adapter]) await part.dispose();
});

describe("control with a picture to start from", () => {
  it("needs controlling pictures of the picture's size, or width and height", async () => {
    const pipe = new StableDiffusionControlNetImg2ImgPipeline({ ...sd1, controlnet: net });
    const call = { ...CALL, image: A, controlImage: Tensor.full([1, 3, 48, 32], 0.5) };
    await expect(pipe.generate(call)).rejects.toMatchObject({
      message: "controlImage is 32x48 and image 32x32 pixels; expected the same size",
      argument: "controlImage",
      hint: "give width and height; all pictures are resized to them",
    });
    expect((await pipe.generate({ ...call, width: 32, height: 32 })).images.shape).toEqual([1, 4, 16, 16]);
  });

  it("repaints at the picture's own size by default", async () => {
    const pipe = new StableDiffusionControlNetInpaintPipeline({ ...sd1, controlnet: net });
    const image = Tensor.full([1, 3, 40, 32], 0.5);
    const { images } = await pipe.generate({ ...CALL, image, maskImage: Tensor.full([1, 1, 40, 32], 1), controlImage: image });
    expect(images.shape).toEqual([1, 4, 20, 16]);
  });

  it("has the weight of diffusers by default: 1, 0.8 with a picture, 0.5 with a mask", async () => {
    const parts = { ...sd1, controlnet: net };
    const text = new StableDiffusionControlNetPipeline(parts);
    const img2img = new StableDiffusionControlNetImg2ImgPipeline(parts);
    const inpaint = new StableDiffusionControlNetInpaintPipeline(parts);
    const latents = async (made: Promise<{ images: Tensor }>) => (await made).images.toArray();
    const fromNoise = { ...CALL, image: A };
    const fromPicture = { ...CALL, image: B, controlImage: A };
    const repainted = { ...fromPicture, maskImage: MASK };
    expect(await latents(text.generate(fromNoise))).toEqual(await latents(text.generate({ ...fromNoise, controlnetConditioningScale: 1 })));
    expect(await latents(img2img.generate(fromPicture))).toEqual(
      await latents(img2img.generate({ ...fromPicture, controlnetConditioningScale: 0.8 })),
    );
    expect(await latents(inpaint.generate(repainted))).toEqual(
      await latents(inpaint.generate({ ...repainted, controlnetConditioningScale: 0.5 })),
    );
  });

  it("refuses a ControlNet of another family", () => {
    expect(() => new StableDiffusionXLControlNetPipeline({ ...xl, controlnet: net })).toThrow(
      "controlnet: this ControlNet takes text features of width 32; the UNet takes text features of width 64, pooled text and sizes",
    );
    expect(() => new StableDiffusionXLControlNetUnionPipeline({ ...xl, controlnet: net } as never)).toThrow(
      /expected a ControlNetUnionModel/,
    );
  });
});

describe("ControlNet Unions", () => {
  const pipe = () => new StableDiffusionXLControlNetUnionPipeline({ ...xl, controlnet: union }, xl.settings);
  const several = () => new StableDiffusionXLControlNetUnionPipeline({ ...xl, controlnet: [union, union] }, xl.settings);

  it.each([
    ["no type", { controlImage: A }, /needs controlMode/],
    ["two pictures and one type", { controlImage: [A, B], controlMode: 1 }, /^2 were given as controlImage and 1 as controlMode; expected/],
    ["a type it does not have", { controlImage: A, controlMode: 4 }, /^controlMode is 4; this ControlNet Union has the types 0 to 3$/],
    ["a type below 0", { controlImage: A, controlMode: -1 }, /controlMode is -1 \(a number\); expected/],
    [
      "three weights",
      { controlImage: [A, B], controlMode: [0, 1], controlnetConditioningScale: [1, 1, 1] },
      /^3 were given as .* for 2 pictures/,
    ],
    [
      "types in lists",
      { controlImage: [A, B], controlMode: [[0], [1]] },
      /^controlMode\[0\] is a list of 1; expected a type for each picture$/,
    ],
  ])("refuse %s", async (_, given, message) => {
    await expect(pipe().generate({ ...CALL, ...given } as never)).rejects.toThrow(message);
  });

  it("act in guess mode on the half of the prompt", async () => {
    const call = { ...CALL, controlImage: A, controlMode: 2 };
    const [plain, guessed] = [await pipe().generate(call), await pipe().generate({ ...call, guessMode: true })];
    expect(guessed.images.toArray()).not.toEqual(plain.images.toArray());
  });

  it("of which there are several take a list of types each", async () => {
    const controlImage = [[A, B], A] as never;
    const made = await several().generate({ ...CALL, controlImage, controlMode: [[0, 1], 2] });
    const other = await several().generate({ ...CALL, controlImage, controlMode: [[0, 3], 2] });
    expect(made.images.toArray()).not.toEqual(other.images.toArray());
  });

  it("of which none acts at a step leave the UNet alone", async () => {
    const call = { ...CALL, controlImage: [A, B], controlMode: [0, 1], controlnetConditioningScale: 0 };
    const { images } = await several().generate(call);
    const plain = await xl.generate({ ...CALL, width: 32, height: 32 });
    expect(images.toArray()).toEqual(plain.images.toArray());
  });

  it("repaint around a mask, too, where diffusers 0.42 refuses it by mistake", async () => {
    const inpaint = new StableDiffusionXLControlNetUnionInpaintPipeline({ ...xl, controlnet: union }, xl.settings);
    const [picture, mask] = [
      { width: 48, height: 40, channels: 3 as const, data: new Uint8Array(48 * 40 * 3).fill(90) },
      new Uint8Array(48 * 40),
    ];
    mask.fill(255, 48 * 10, 48 * 20);
    const maskImage = { width: 48, height: 40, channels: 1 as const, data: mask };
    const { images } = await inpaint.generate({
      ...{ ...CALL, outputType: "image" as const, image: picture, maskImage, controlImage: picture, controlMode: 1, paddingMaskCrop: 4 },
      ...{ width: 32, height: 32 },
    });
    expect(images[0]).toMatchObject({ width: 48, height: 40 });
  });

  it("that were saved together are opened together", async () => {
    const folder = temporaryFolder();
    for (const name of ["controlnet", "controlnet_1"]) cpSync(checkpoint("controlnet-union-mini"), join(folder, name), { recursive: true });
    await using controlnet = await MultiControlNetUnionModel.fromPretrained(join(folder, "controlnet"), { device });
    expect(controlnet.nets).toHaveLength(2);
  });
});

describe("T2I-Adapters", () => {
  const pipe = () => new StableDiffusionAdapterPipeline({ ...sd1, adapter });
  const several = () => new StableDiffusionAdapterPipeline({ ...sd1, adapter: [adapter, adapter] });

  it.each([
    [
      "a tensor of another size",
      { image: A, width: 48, height: 48 },
      /^image is \[1,3,32,32\]; this T2I-Adapter takes \[batch, 3, 48, 48\]/,
    ],
    ["a tensor of one channel", { image: MASK }, /^image is \[1,1,32,32\]; this T2I-Adapter takes \[batch, 3, 32, 32\]/],
    ["a size that it cannot reduce", { image: A, width: 33, height: 32 }, /^width is 33; this T2I-Adapter takes a multiple of 2$/],
    ["two pictures for one prompt", { image: [A, B] }, /^image has 2 pictures for 1 prompts; expected one, or one for each prompt$/],
  ])("refuse %s", async (_, given, message) => {
    await expect(pipe().generate({ ...CALL, ...given } as never)).rejects.toThrow(message);
  });

  it("of which there are several need a picture each", async () => {
    await expect(several().generate({ ...CALL, image: A })).rejects.toThrow(
      /^image is not a list; expected a list with a picture for each of 2/,
    );
    await expect(several().generate({ ...CALL, image: [A, B], adapterConditioningScale: [1] })).rejects.toThrow(/^1 were given as/);
  });

  it("of one picture serve all prompts", async () => {
    const prompt = ["a fox", "a fox"];
    const one = await pipe().generate({ ...CALL, prompt, image: A });
    const each = await pipe().generate({ ...CALL, prompt, image: [A, A] });
    expectClose(one.images, each.images);
  });

  it("give the same picture row by row, to save memory", async () => {
    await using saving = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), {
      ...{ device, safetyChecker: null, lowMemory: true },
    });
    const { images } = await new StableDiffusionAdapterPipeline({ ...saving, adapter }).generate({ ...CALL, image: A });
    const { images: expected } = await pipe().generate({ ...CALL, image: A });
    expectClose(images, expected);
  });

  it("work with a step cache", async () => {
    const call = { ...CALL, numInferenceSteps: 4, image: A };
    const { images } = await pipe().generate({ ...call, cache: { interval: 2 } });
    expect(images.toArray()).not.toEqual((await pipe().generate(call)).images.toArray());
  });

  it("of other UNets are refused", async () => {
    await using other = await T2IAdapter.fromPretrained(checkpoint("adapter-xl-mini"), { device });
    expect(() => new StableDiffusionAdapterPipeline({ ...sd1, adapter: other })).toThrow(
      "this T2I-Adapter has features of 8, 8, 16, 16 channels; the UNet's blocks have 16, 32",
    );
  });

  it("that reduce pictures differently cannot act together", async () => {
    await using light = await T2IAdapter.fromPretrained(checkpoint("adapter-light-mini"), { device });
    expect(() => new StableDiffusionAdapterPipeline({ ...sd1, adapter: [adapter, light] })).toThrow(
      "the T2I-Adapters reduce pictures by 4 and 8; expected the same for all",
    );
  });

  it("that were saved together are opened together", async () => {
    const folder = temporaryFolder();
    for (const name of ["adapter", "adapter_1"]) cpSync(checkpoint("adapter-mini"), join(folder, name), { recursive: true });
    await using saved = await MultiAdapter.fromPretrained(folder, { device, subfolder: "adapter" });
    expect(saved.nets).toHaveLength(2);
    const together = new StableDiffusionAdapterPipeline({ ...sd1, adapter: saved });
    const { images } = await together.generate({ ...CALL, image: [A, B] });
    expect(images.toArray()).toEqual((await several().generate({ ...CALL, image: [A, B] })).images.toArray());
  });
});
