import { copyFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { canny } from "../../src/image/canny.js";
import { toRgb } from "../../src/image/gray-picture.js";
import { Picture } from "../../src/image/picture.js";
import { VaeImageProcessor } from "../../src/image/vae-image-processor.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { ControlNetUnionModel } from "../../src/models/controlnet-union.js";
import { T2IAdapter } from "../../src/models/t2i-adapter.js";
import { StableDiffusionAdapterPipeline } from "../../src/pipelines/stable-diffusion-adapter.js";
import { StableDiffusionControlNetPipeline } from "../../src/pipelines/stable-diffusion-controlnet.js";
import { StableDiffusionControlNetImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-controlnet-img2img.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLAdapterPipeline } from "../../src/pipelines/stable-diffusion-xl-adapter.js";
import { StableDiffusionXLControlNetUnionPipeline } from "../../src/pipelines/stable-diffusion-xl-controlnet-union.js";
import { StableDiffusionXLControlNetUnionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-controlnet-union-img2img.js";
import { StableDiffusionXLControlNetUnionInpaintPipeline } from "../../src/pipelines/stable-diffusion-xl-controlnet-union-inpaint.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { darkroom, expectFailure } from "./darkroom.js";
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

const control = (name: string, picture: string, ...options: string[]) => [
  ...["--control", checkpoint(name), "--control-image", picture],
  ...options,
];
const size = { width: input.width, height: input.height };

describe("darkroom generate --control with a ControlNet Union", () => {
  async function parts() {
    const controlnet = await opened(ControlNetUnionModel.fromPretrained(checkpoint("controlnet-union-mini"), { device }));
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    return [{ ...base, controlnet }, base.settings] as const;
  }
  const union = (...options: string[]) => control("controlnet-union-mini", "mask.png", ...options);

  it("makes the pictures of the three pipelines, with types by name and number", async () => {
    const given = await parts();
    const steer = { controlImage: mask, controlMode: 3 };
    const [fromText] = (await new StableDiffusionXLControlNetUnionPipeline(...given).generate({ ...request, ...steer })).images;
    expect(await generated("sdxl-base-mini", ...union("--control-mode", "canny"))).toEqual(fromText);
    expect(await settings()).toMatchObject({
      "ControlNet 0": "Model: controlnet-union-mini, Union Control Type: 3, Weight: 1, Image: mask.png",
    });

    const img2img = new StableDiffusionXLControlNetUnionImg2ImgPipeline(...given);
    const [fromPicture] = (await img2img.generate({ ...request, ...size, image: input, ...steer })).images;
    expect(await generated("sdxl-base-mini", "--image", "in.png", ...union("--control-mode", "lineart"))).toEqual(fromPicture);

    const inpaint = new StableDiffusionXLControlNetUnionInpaintPipeline(...given);
    const [repainted] = (await inpaint.generate({ ...request, image: input, maskImage: mask, ...steer })).images;
    const masked = ["--image", "in.png", "--mask", "mask.png"];
    expect(await generated("sdxl-base-mini", ...masked, ...union("--control-mode", "3"))).toEqual(repainted);
  });

  it("follows several pictures, each with its type and weight", async () => {
    const steer = {
      controlImage: [mask, input],
      controlMode: [3, 1],
      controlnetConditioningScale: [0.5, 0.8],
      controlGuidanceEnd: [1, 0.5],
    };
    const [expected] = (await new StableDiffusionXLControlNetUnionPipeline(...(await parts())).generate({ ...request, ...steer })).images;
    const first = union("--control-mode", "canny", "--control-scale", "0.5", "--control-end", "1");
    const second = ["--control-image", "in.png", "--control-mode", "depth", "--control-scale", "0.8", "--control-end", "0.5"];
    expect(await generated("sdxl-base-mini", ...first, ...second)).toEqual(expected);
    expect((await settings())["ControlNet 1"]).toBe(
      "Model: controlnet-union-mini, Union Control Type: 1, Weight: 0.8, Guidance End: 0.5, Image: in.png",
    );
  });

  it("takes several unions, each with its picture and type", async () => {
    const [{ controlnet, ...base }, own] = await parts();
    const pipe = new StableDiffusionXLControlNetUnionPipeline({ ...base, controlnet: [controlnet, controlnet] }, own);
    const [expected] = (await pipe.generate({ ...request, controlImage: [mask, input], controlMode: [3, 1] })).images;
    const second = control("controlnet-union-mini", "in.png", "--control-mode", "1");
    expect(await generated("sdxl-base-mini", ...union("--control-mode", "3"), ...second)).toEqual(expected);
  });
});

describe("darkroom generate --control with a T2I-Adapter", () => {
  it("makes the picture that StableDiffusionAdapterPipeline makes, from a folder and from a single file", async () => {
    const adapter = await opened(T2IAdapter.fromPretrained(checkpoint("adapter-mini"), { device }));
    const pipe = await opened(StableDiffusionAdapterPipeline.fromPretrained(checkpoint("sd1-mini"), { device, adapter }));
    const [expected] = (await pipe.generate({ ...request, image: mask, adapterConditioningScale: 0.5 })).images;
    expect(await generated("sd1-mini", ...control("adapter-mini", "mask.png", "--control-scale", "0.5"))).toEqual(expected);
    expect(await settings()).toMatchObject({ "ControlNet 0": "Model: adapter-mini, Weight: 0.5, Image: mask.png" });
    const file = join(folder, "sketch.safetensors");
    copyFileSync(join(checkpoint("adapter-mini"), "diffusion_pytorch_model.safetensors"), file);
    const single = ["--control", file, "--control-image", "mask.png", "--control-scale", "0.5"];
    expect(await generated("sd1-mini", ...single)).toEqual(expected);
  });

  it("takes several, each with its picture", async () => {
    const adapter = await opened(T2IAdapter.fromPretrained(checkpoint("adapter-mini"), { device }));
    const light = await opened(T2IAdapter.fromPretrained(checkpoint("adapter-gray-mini"), { device }));
    const pipe = await opened(StableDiffusionAdapterPipeline.fromPretrained(checkpoint("sd1-mini"), { device, adapter: [adapter, light] }));
    const [expected] = (await pipe.generate({ ...request, image: [mask, input], adapterConditioningScale: [0.5, 0.8] })).images;
    const first = control("adapter-mini", "mask.png", "--control-scale", "0.5");
    const second = control("adapter-gray-mini", "in.png", "--control-scale", "0.8");
    expect(await generated("sd1-mini", ...first, ...second)).toEqual(expected);
  });

  it("makes the picture that StableDiffusionXLAdapterPipeline makes; --control-end is its adapterConditioningFactor", async () => {
    const adapter = await opened(T2IAdapter.fromPretrained(checkpoint("adapter-xl-mini"), { device }));
    const model = join(folder, "xl");
    cpSync(checkpoint("sdxl-base-mini"), model, { recursive: true });
    rmSync(join(model, "unet"), { recursive: true });
    cpSync(checkpoint("unet-xl-levels-mini"), join(model, "unet"), { recursive: true });
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(model, { device }));
    const pipe = new StableDiffusionXLAdapterPipeline({ ...base, adapter }, base.settings);
    const [expected] = (await pipe.generate({ ...request, image: mask, width: 64, height: 64, adapterConditioningFactor: 0.5 })).images;
    const steer = control("adapter-xl-mini", "mask.png", "--control-end", "0.5", "--size", "64x64");
    expect(await makePicture(folder, "--model", model, request.prompt, ...steer)).toEqual(expected);
  });
});

describe("darkroom generate --control-preprocess and --control-resize", () => {
  async function pipeline() {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    return opened(StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet }));
  }
  const steered = (...options: string[]) => generated("sd1-mini", ...control("controlnet-mini", "in.png", ...options));

  it("follows the edges that canny finds, with its thresholds or others", async () => {
    const pipe = await pipeline();
    const [usual] = (await pipe.generate({ ...request, image: toRgb(canny(input)) })).images;
    expect(await steered("--control-preprocess", "canny")).toEqual(usual);
    const edges = toRgb(canny(input, { lowThreshold: 10, highThreshold: 30 }));
    const [sharp] = (await pipe.generate({ ...request, image: edges })).images;
    expect(await steered("--control-preprocess", "canny:10,30")).toEqual(sharp);
    expect(sharp).not.toEqual(usual);
    expect(await settings()).toMatchObject({
      "ControlNet 0": "Module: canny, Model: controlnet-mini, Weight: 1, Threshold A: 10, Threshold B: 30, Image: in.png",
    });
  });

  it("finds edges at the size of the result", async () => {
    const pipe = await pipeline();
    const resizing = new VaeImageProcessor({ vaeScaleFactor: 1 });
    const edges = toRgb(canny(resizing.resize(input, 64, 64)));
    const [expected] = (await pipe.generate({ ...request, width: 64, height: 64, image: edges })).images;
    expect(await steered("--control-preprocess", "canny", "--size", "64x64")).toEqual(expected);
  });

  it.each(["crop", "fill"] as const)("brings a picture to other proportions: %s", async (mode) => {
    const pipe = await pipeline();
    const fitted = toRgb(new VaeImageProcessor({ vaeScaleFactor: 1 }).resize(input, 40, 64, mode));
    const [expected] = (await pipe.generate({ ...request, width: 40, height: 64, image: fitted })).images;
    expect(await steered("--control-resize", mode, "--size", "40x64")).toEqual(expected);
    expect((await settings())["ControlNet 0"]).toContain(mode === "crop" ? "Resize Mode: Crop and Resize" : "Resize Mode: Resize and Fill");
  });

  it("inverts one picture of several", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const nets = [controlnet, controlnet];
    const pipe = await opened(StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet: nets }));
    const white = new Picture(
      mask.width,
      mask.height,
      mask.data.map((value) => 255 - value),
    );
    const [expected] = (await pipe.generate({ ...request, image: [input, white] })).images;
    const second = control("controlnet-mini", "mask.png", "--control-preprocess", "none", "--control-preprocess", "invert");
    expect(await steered(...second)).toEqual(expected);
  });

  it("works on the picture to start from, whose size the pictures get", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet }));
    const [expected] = (await pipe.generate({ ...request, ...size, image: input, controlImage: toRgb(canny(mask)) })).images;
    const steer = control("controlnet-mini", "mask.png", "--control-preprocess", "canny");
    expect(await generated("sd1-mini", "--image", "in.png", ...steer)).toEqual(expected);
  });
});

describe("darkroom generate --control, with what does not go together,", () => {
  const union = control("controlnet-union-mini", "in.png");
  const adapter = control("adapter-mini", "in.png");
  const net = control("controlnet-mini", "in.png");
  it.each([
    ["sdxl-base-mini", union, /--control is a ControlNet Union, which needs --control-mode\n.*--control-mode canny/],
    ["sd1-mini", [...union, "--control-mode", "canny"], /--control is a ControlNet Union, which Stable Diffusion 1 .*\n.*XL/],
    ["sdxl-base-mini", [...union, "--control-mode", "tile"], /--control-mode is 6; this ControlNet Union has the types 0 to 3/],
    ["sdxl-base-mini", [...union, "--control-mode", "edges"], /--control-mode is "edges"; expected a whole number.* canny/],
    [
      "sdxl-base-mini",
      [...union, "--control-image", "mask.png", "--control-mode", "canny"],
      /1 was given for --control-mode and 2 for --control-image; expected one for each/,
    ],
    ["sdxl-base-mini", [...union, ...control("controlnet-xl-mini", "in.png")], /Union and .* a ControlNet; no pipeline takes both/],
    ["sd1-mini", [...net, ...adapter], /is a ControlNet and .* a T2I-Adapter; no pipeline takes both/],
    ["sd1-mini", [...net, "--control-mode", "canny"], /--control-mode has no effect on a ControlNet/],
    ["sd1-mini", [...adapter, "--control-guess"], /--control-guess has no effect on a T2I-Adapter/],
    ["sd1-mini", [...adapter, "--control-start", "0.2"], /--control-start has no effect on a T2I-Adapter/],
    ["sd1-mini", [...adapter, "--control-end", "0.5"], /--control-end has no effect on a T2I-Adapter of Stable Diffusion 1/],
    ["sd1-mini", [...adapter, "--image", "in.png"], /--control is a T2I-Adapter; .* has no pipeline for one with --image\n/],
    ["sdxl-base-mini", adapter, /downIntrablockAdditionalResiduals.*\n.*T2I-Adapter works with the UNets that it was trained for/],
    [
      "sd1-mini",
      [...net, "--control-preprocess", "openpose"],
      /--control-preprocess is "openpose"; expected none,.*\n.*controlnet_aux.*--control-image/,
    ],
    [
      "sd1-mini",
      [...net, "--control-preprocess", "blur"],
      /--control-preprocess is "blur"; expected none, invert, canny or canny:LOW,HIGH\n/,
    ],
    ["sd1-mini", [...net, "--control-resize", "stretch"], /--control-resize is "stretch"; expected one of default, crop, fill/],
  ])("ends with 2: %s %j", async (model, args, message) => {
    const common = ["--model", checkpoint(model), "--steps", "2", "--device", device, "--quiet"];
    expectFailure(await darkroom(["generate", "a red fox", ...common, ...args], folder), 2, message);
  });

  it.each([
    ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight", /ControlNet-LLLite/],
    ["lora_controlnet", /Control-LoRA/],
  ])("ends with 3 for a file that is not run: %s", async (tensor, message) => {
    writeSafetensors(join(folder, "control.safetensors"), { [tensor]: Tensor.zeros([1]) });
    const args = ["--model", checkpoint("sdxl-base-mini"), "--control", "control.safetensors", "--control-image", "in.png", "--quiet"];
    expectFailure(await darkroom(["generate", "a red fox", ...args], folder), 3, message);
  });
});
