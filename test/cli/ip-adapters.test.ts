import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionControlNetPipeline } from "../../src/pipelines/stable-diffusion-controlnet.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-img2img.js";
import { Generator } from "../../src/tensor/random.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { darkroom, expectFailure } from "./darkroom.js";
import { device, input, makePicture, mask, opened, parametersOf, request, saveInputs } from "./pictures.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveInputs(folder);
});

const ROOT = checkpoint("ip-adapter-mini");
const [PLAIN, PLUS] = ["ip-adapter_sd15.safetensors", "ip-adapter-plus_sd15.safetensors"];
const file = (name: string, part = "models") => join(ROOT, part, name);
const size = { width: input.width, height: input.height };

/** The picture `darkroom generate` makes. */
const generated = (model: string, ...args: string[]) => makePicture(folder, "--model", checkpoint(model), request.prompt, ...args);

async function sd1(weightName: string | string[], scale: number | number[]): Promise<StableDiffusionPipeline> {
  const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
  await pipe.loadIPAdapter(ROOT, { subfolder: "models", weightName });
  pipe.setIPAdapterScale(scale);
  return pipe;
}

describe("darkroom generate --ip-adapter", () => {
  it("makes the pictures of the pipelines, from text, from a picture and with a mask", async () => {
    const pipe = await sd1(PLAIN, 0.6);
    const args = ["--ip-adapter", file(PLAIN), "--ip-image", "in.png:0.6"];
    const prompted = { ...request, ipAdapterImage: input };
    expect(await generated("sd1-mini", ...args)).toEqual((await pipe.generate(prompted)).images[0]);
    expect((await parametersOf(folder)).settings).toMatchObject({
      "IP-Adapter 0": "Model: ip-adapter_sd15, Weight: 0.6, Image: in.png",
    });
    const changed = await new StableDiffusionImg2ImgPipeline({ ...pipe }).generate({ ...prompted, image: mask });
    expect(await generated("sd1-mini", ...args, "--image", "mask.png")).toEqual(changed.images[0]);
    const repainted = await new StableDiffusionInpaintPipeline({ ...pipe }).generate({
      ...prompted,
      ...size,
      image: input,
      maskImage: mask,
    });
    expect(await generated("sd1-mini", ...args, "--image", "in.png", "--mask", "mask.png")).toEqual(repainted.images[0]);
  });

  it("works with a ControlNet", async () => {
    const pipe = await sd1(PLAIN, 1);
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const steered = new StableDiffusionControlNetPipeline({ ...pipe, controlnet });
    const { images } = await steered.generate({ ...request, image: mask, ipAdapterImage: input });
    const control = ["--control", checkpoint("controlnet-mini"), "--control-image", "mask.png"];
    expect(await generated("sd1-mini", "--ip-adapter", file(PLAIN), "--ip-image", "in.png", ...control)).toEqual(images[0]);
  });

  it("takes several adapters, each with its picture and scale", async () => {
    const pipe = await sd1([PLAIN, PLUS], [0.7, 0.3]);
    const { images } = await pipe.generate({ ...request, ipAdapterImage: [input, mask] });
    const args = [PLAIN, PLUS].flatMap((name) => ["--ip-adapter", file(name)]);
    expect(await generated("sd1-mini", ...args, "--ip-image", "in.png:0.7", "--ip-image", "mask.png:0.3")).toEqual(images[0]);
  });

  it("takes several pictures for one adapter, and states them in JSON", async () => {
    const pipe = await sd1(PLUS, 0.5);
    const { images } = await pipe.generate({ ...request, ipAdapterImage: [[input, mask]] });
    const args = ["--ip-adapter", file(PLUS), "--ip-image", "in.png:0.5", "--ip-image", "mask.png:0.5"];
    expect(await generated("sd1-mini", ...args)).toEqual(images[0]);
    const all = ["generate", request.prompt, "--model", checkpoint("sd1-mini"), "--steps", "1", "--device", device, "--json", "--quiet"];
    const { stdout } = await darkroom([...all, ...args], folder);
    expect(JSON.parse(stdout)).toMatchObject({
      ipAdapters: [{ model: file(PLUS), images: ["in.png", "mask.png"], scale: 0.5 }],
    });
  });

  it("takes masks, scales for each picture and scales by block", async () => {
    const pipe = await sd1(PLUS, 1);
    const args = ["--ip-adapter", file(PLUS), "--ip-image", "in.png:0.5", "--ip-image", "mask.png:0.2"];
    const masked = { ...request, ipAdapterImage: [[input, mask]], ipAdapterMasks: [[mask, input]], ipAdapterScale: [[0.5, 0.2]] };
    const masks = ["--ip-mask", "mask.png", "--ip-mask", "in.png"];
    expect(await generated("sd1-mini", ...args, ...masks)).toEqual((await pipe.generate(masked)).images[0]);
    expect((await parametersOf(folder)).settings).toMatchObject({
      "IP-Adapter 0": "Model: ip-adapter-plus_sd15, Weight: [0.5,0.2], Image: in.png mask.png, Mask: mask.png in.png",
    });
    const blocks = { ...request, ipAdapterImage: input, ipAdapterScale: { up: { block_1: [0, 0.5] }, mid: 0.25 } };
    writeFileSync(join(folder, "blocks.json"), '{ "up": { "block_1": [0, 1] }, "mid": 0.5 }');
    const one = args.slice(0, 4);
    expect(await generated("sd1-mini", ...one, "--ip-blocks", "blocks.json")).toEqual((await pipe.generate(blocks)).images[0]);
    const two = [PLAIN, PLUS].flatMap((name) => ["--ip-adapter", file(name)]);
    const both = await sd1([PLAIN, PLUS], [0.5, 0.2]);
    const partly = { ...request, ipAdapterImage: [input, mask], ipAdapterMasks: [null, mask] };
    const made = await generated("sd1-mini", ...two, ...args.slice(2), "--ip-mask", "none", "--ip-mask", "mask.png");
    expect(made).toEqual((await both.generate(partly)).images[0]);
  });

  it("works with XL, an image encoder that is named, and a refiner, which has no adapter", async () => {
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    await base.loadIPAdapter(file("ip-adapter_sdxl.safetensors", "sdxl_models"));
    base.setIPAdapterScale(0.4);
    const args = ["--ip-adapter", file("ip-adapter_sdxl.safetensors", "sdxl_models"), "--ip-image", "in.png:0.4"];
    const encoder = ["--ip-encoder", file("image_encoder", "sdxl_models")];
    const { images } = await base.generate({ ...request, ipAdapterImage: input });
    expect(await generated("sdxl-base-mini", ...args, ...encoder)).toEqual(images[0]);

    const { textEncoder2, tokenizer2, vae } = base;
    const parts = { textEncoder2, tokenizer2, vae };
    const refiner = await opened(StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini"), { device, ...parts }));
    const { seed, ...common } = { ...request, generator: new Generator(request.seed) };
    const half = await base.generate({ ...common, ipAdapterImage: input, denoisingEnd: 0.8, outputType: "latent" });
    const refined = await refiner.generate({ ...common, denoisingStart: 0.8, image: half.images });
    expect(await generated("sdxl-base-mini", ...args, "--refiner", checkpoint("sdxl-refiner-mini"))).toEqual(refined.images[0]);
  });

  const adapter = ["--ip-adapter", file(PLAIN)];
  it.each([
    ["a picture without adapter", ["--ip-image", "in.png"], /--ip-image needs --ip-adapter: .*\n {2}add --ip-adapter$/m],
    ["an adapter without picture", adapter, /--ip-adapter needs --ip-image: .*\n {2}add --ip-image style\.png$/m],
    ["an encoder without adapter", ["--ip-encoder", "x"], /--ip-encoder needs --ip-adapter/],
    [
      "fewer pictures than adapters",
      [...adapter, ...adapter, "--ip-image", "in.png"],
      /2 were given for --ip-adapter and 1 for --ip-image/,
    ],
    [
      "several scales",
      [...adapter, "--ip-image", "in.png:0.2", "--ip-image", "in.png"],
      /^darkroom: --ip-image has several scales: 0\.2, 1/m,
    ],
    [
      "fewer masks than pictures",
      [...adapter, "--ip-image", "in.png", "--ip-image", "in.png", "--ip-mask", "mask.png"],
      /^darkroom: --ip-mask was given 1 time and --ip-image 2 times/m,
    ],
    [
      "a mask for some pictures of an adapter",
      [...adapter, "--ip-image", "in.png", "--ip-image", "in.png", "--ip-mask", "mask.png", "--ip-mask", "none"],
      /^darkroom: --ip-mask is none for some pictures of one IP-Adapter/,
    ],
    [
      "a part of another family",
      [...adapter, "--ip-image", "in.png", "--ip-blocks", "style,layout"],
      /--ip-blocks has style or layout.*\n.*instead: --ip-blocks '\{"up":\{"block_1":1\}\}'$/m,
    ],
    [
      "a block that is not there",
      [...adapter, "--ip-image", "in.png", "--ip-blocks", '{"up":{"block_9":1}}'],
      /^darkroom: --ip-blocks has up\.block_9 \(1\); the UNet/m,
    ],
    ["blocks that are no file", [...adapter, "--ip-image", "in.png", "--ip-blocks", "styles"], /--ip-blocks is "styles"; expected style/],
    ["blocks of no UNet", [...adapter, "--ip-image", "in.png", "--ip-blocks", '{"down": "x"}'], /--ip-blocks is /],
    ["a scale that is no number", [...adapter, "--ip-image", "in.png:big"], /--ip-image is "in\.png:big"; expected a file/],
  ])("refuses %s", async (_, args, message) => {
    expectFailure(await darkroom(["generate", "a fox", "--model", checkpoint("sd1-mini"), ...args], folder), 2, message);
  });

  it("says what was written of a part whose blocks the UNet does not have", async () => {
    const source = file("ip-adapter_sdxl.safetensors", "sdxl_models");
    const args = ["--ip-adapter", source, "--ip-image", "in.png", "--ip-blocks", "style"];
    const result = await darkroom(["generate", "a fox", "--model", checkpoint("sdxl-base-mini"), "--steps", "1", ...args], folder);
    expectFailure(
      result,
      2,
      /^darkroom: --ip-blocks has style, for blocks of Stable Diffusion XL that this UNet .*: --ip-blocks has 3 numbers/m,
    );
  });

  it.each([
    ["a checkpoint of pixels", "ddpm-mini", [], file(PLAIN), 2, /--ip-adapter has no effect on ddpm-mini/],
    [
      "an adapter of another family",
      "sdxl-base-mini",
      ["a fox"],
      file(PLAIN),
      3,
      /this IP-Adapter has 4 cross-attention layers of width 32/,
    ],
    ["FaceID", "sd1-mini", ["a fox"], file("ip-adapter-faceid-plus_sd15.safetensors"), 2, /--ip-adapter: .* is for FaceID: it takes/],
    ["a missing file", "sd1-mini", ["a fox"], "nowhere.safetensors", 3, /nowhere\.safetensors does not exist/],
  ])("refuses %s", async (_, model, prompt, path, code, message) => {
    const args = ["generate", ...prompt, "--model", checkpoint(model), "--device", device, "--ip-adapter", path, "--ip-image", "in.png"];
    expectFailure(await darkroom(args, folder), code, message);
  });
});
