import { beforeEach, describe, expect, it } from "vitest";
import type { Picture } from "../../src/image/picture.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { StableDiffusionControlNetPipeline } from "../../src/pipelines/stable-diffusion-controlnet.js";
import { StableDiffusionControlNetImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-controlnet-img2img.js";
import { StableDiffusionControlNetInpaintPipeline } from "../../src/pipelines/stable-diffusion-controlnet-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLControlNetPipeline } from "../../src/pipelines/stable-diffusion-xl-controlnet.js";
import { StableDiffusionXLControlNetImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-controlnet-img2img.js";
import { StableDiffusionXLControlNetInpaintPipeline } from "../../src/pipelines/stable-diffusion-xl-controlnet-inpaint.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { device, input, makePicture, mask, opened, parametersOf, request, saveInputs } from "./pictures.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveInputs(folder);
});

/** The picture `darkroom generate` makes. */
async function generated(model: string, ...args: string[]): Promise<Picture> {
  return makePicture(folder, "--model", checkpoint(model), request.prompt, ...args);
}

async function settings(): Promise<Readonly<Record<string, string>>> {
  return (await parametersOf(folder)).settings;
}

describe("darkroom generate --control", () => {
  const control = ["--control", checkpoint("controlnet-mini"), "--control-image"];

  it("makes the picture that StableDiffusionControlNetPipeline makes", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet }));
    const { images } = await pipe.generate({ ...request, image: input, controlnetConditioningScale: 0.5 });
    expect(await generated("sd1-mini", ...control, "in.png", "--control-scale", "0.5")).toEqual(images[0]);
    expect(await settings()).toMatchObject({ "ControlNet 0": "Model: controlnet-mini, Weight: 0.5, Image: in.png" });
  });

  it("takes several ControlNets, each with its picture and scale", async () => {
    const net = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet: [net, net] }));
    const { images } = await pipe.generate({ ...request, image: [input, mask], controlnetConditioningScale: [0.5, 0.8] });
    const scales = ["--control-scale", "0.5", "--control-scale", "0.8"];
    expect(await generated("sd1-mini", ...control, "in.png", ...control, "mask.png", ...scales)).toEqual(images[0]);
  });
});

describe("darkroom generate --control with a picture to start from", () => {
  const control = ["--control", checkpoint("controlnet-mini"), "--control-image", "mask.png"];
  const xlControl = ["--control", checkpoint("controlnet-xl-mini"), "--control-image", "mask.png"];
  const span = ["--control-start", "0.1", "--control-end", "0.8"];
  const controlGuidance = { controlGuidanceStart: 0.1, controlGuidanceEnd: 0.8 };
  const size = { width: input.width, height: input.height };

  it("makes the picture that StableDiffusionControlNetImg2ImgPipeline makes", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet }));
    const { images } = await pipe.generate({ ...request, ...size, image: input, controlImage: mask, ...controlGuidance, guessMode: true });
    expect(await generated("sd1-mini", "--image", "in.png", ...control, ...span, "--control-guess")).toEqual(images[0]);
    expect(await settings()).toMatchObject({
      "Init image": "in.png",
      "Denoising strength": "0.8",
      "ControlNet 0": "Model: controlnet-mini, Weight: 0.8, Guidance Start: 0.1, Guidance End: 0.8, Control Mode: Guess, Image: mask.png",
    });
  });

  it("makes the picture that StableDiffusionControlNetInpaintPipeline makes", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetInpaintPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet }));
    const { images } = await pipe.generate({ ...request, image: input, maskImage: mask, controlImage: mask });
    expect(await generated("sd1-mini", "--image", "in.png", "--mask", "mask.png", ...control)).toEqual(images[0]);
    expect(await settings()).toMatchObject({ "ControlNet 0": "Model: controlnet-mini, Weight: 0.5, Image: mask.png" });
  });

  it("makes the pictures of XL's three pipelines with ControlNets", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-xl-mini"), { device }));
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const parts = { ...base, controlnet };
    const text = new StableDiffusionXLControlNetPipeline(parts, base.settings);
    const [fromText] = (await text.generate({ ...request, image: mask })).images;
    expect(await generated("sdxl-base-mini", ...xlControl)).toEqual(fromText);

    const img2img = new StableDiffusionXLControlNetImg2ImgPipeline(parts, base.settings);
    const [fromPicture] = (await img2img.generate({ ...request, ...size, image: input, controlImage: mask })).images;
    expect(await generated("sdxl-base-mini", "--image", "in.png", ...xlControl)).toEqual(fromPicture);

    const inpaint = new StableDiffusionXLControlNetInpaintPipeline(parts, base.settings);
    const [repainted] = (await inpaint.generate({ ...request, image: input, maskImage: mask, controlImage: mask })).images;
    expect(await generated("sdxl-base-mini", "--image", "in.png", "--mask", "mask.png", ...xlControl)).toEqual(repainted);
  });
});
