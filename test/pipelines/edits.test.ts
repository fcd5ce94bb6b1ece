import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { readModelIndex } from "../../src/checkpoint/model-index.js";
import { generate } from "../../src/generate/generate.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { resizeTensorBicubic } from "../../src/image/resize-tensor.js";
import {
  DiffusionPipeline,
  inspect,
  StableDiffusionDepth2ImgPipeline,
  StableDiffusionInstructPix2PixPipeline,
  StableDiffusionPipeline,
  StableDiffusionUpscalePipeline,
  StableDiffusionXLInstructPix2PixPipeline,
  Tensor,
  UNet2DConditionModel,
} from "../../src/index.js";
import { input, opened } from "../cli/pictures.js";
import { checkpointOf } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { FULL_SIZE, sparseFile } from "../helpers/full-size-files.js";
import { singleFile } from "../helpers/single-files.js";

const device = "cpu";
const CALL = { prompt: "make it winter", numInferenceSteps: 3, seed: 5 };
const editFolder = () => checkpointOf("StableDiffusionInstructPix2PixPipeline", "sd1-mini", { unet: "options/unet-edit" });

async function xl(settings = {}) {
  const unet = await opened(UNet2DConditionModel.fromPretrained(checkpoint("options/unet-xl-edit"), { device }));
  const open = await opened(StableDiffusionXLInstructPix2PixPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device, unet }));
  return new StableDiffusionXLInstructPix2PixPipeline(open.components, settings);
}

describe("InstructPix2Pix", () => {
  it("is opened by model_index.json, and the same as a single file", async () => {
    const config = editFolder();
    const folder = await opened(DiffusionPipeline.fromPretrained(config, { device }));
    const file = await opened(DiffusionPipeline.fromSingleFile(singleFile("edit-mini"), { device, config }));
    expect([folder.className, file.className]).toEqual(Array(2).fill("StableDiffusionInstructPix2PixPipeline"));
    const call = { ...CALL, image: input, outputType: "tensor" } as const;
    const edit = (pipe: unknown) => (pipe as StableDiffusionInstructPix2PixPipeline).generate(call);
    expect((await edit(file)).images).toEqual((await edit(folder)).images);
  });

  it("is recognised in a single file of full size, for XL as well", async () => {
    for (const [name, tensor, className] of [
      ["sd15", "model.diffusion_model.input_blocks.0.0.weight", "StableDiffusionInstructPix2PixPipeline"],
      ["sdxl-base", "model.diffusion_model.input_blocks.0.0.weight", "StableDiffusionXLInstructPix2PixPipeline"],
    ] as const) {
      const file = sparseFile({ ...FULL_SIZE[name]?.(), [tensor]: [320, 8, 3, 3] });
      const scheduler = name === "sd15" ? "EulerAncestralDiscreteScheduler" : "EulerDiscreteScheduler";
      expect(await inspect(file)).toMatchObject({ kind: "checkpoint", className, scheduler, isInpainting: false });
    }
    const edm = { "edm_vpred.sigma_max": [], "edm_vpred.sigma_min": [] };
    const cosxl = sparseFile({ ...FULL_SIZE["sdxl-base"]?.(), ...edm, "model.diffusion_model.input_blocks.0.0.weight": [320, 8, 3, 3] });
    expect((await readModelIndex(await openCheckpoint(cosxl))).options).toMatchObject({ isCosxlEdit: true });
  });

  it("refuses a UNet that sees no picture", async () => {
    const pipe = await opened(StableDiffusionInstructPix2PixPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    await expect(pipe.generate({ ...CALL, image: input })).rejects.toMatchObject({
      message: "this UNet takes 4 channels; this pipeline needs one that takes 8, those of the latents and of the picture's latents",
      argument: "unet",
    });
  });

  it("scales the picture's latents for CosXL Edit", async () => {
    const [plain, cosxl] = [await xl(), await xl({ isCosxlEdit: true })];
    const image = Tensor.full([1, 4, 16, 16], 0.7);
    const call = { ...CALL, outputType: "latent" } as const;
    const scaled = image.mul(plain.vae.config.scalingFactor);
    // Latents are taken as they are, and are scaled like encoded pictures.
    expect((await cosxl.generate({ ...call, image })).images).toEqual((await plain.generate({ ...call, image: scaled })).images);
    expect(cosxl.indexOptions).toMatchObject({ isCosxlEdit: true });
  });

  it("makes a batch's picture alone, too, and takes schedulers that need the unconditional part", async () => {
    const pipe = await opened(StableDiffusionInstructPix2PixPipeline.fromPretrained(editFolder(), { device }));
    const call = { ...CALL, image: input, outputType: "tensor" } as const;
    const two = await pipe.generate({ ...call, prompt: [CALL.prompt, CALL.prompt], seed: [5, 6] });
    const one = await pipe.generate({ ...call, seed: 6 });
    const difference = two.images.slice(1, 2).sub(one.images).toArray().map(Math.abs);
    expect(Math.max(...difference)).toBeLessThan(1e-4);
    pipe.scheduler = "euler-cfg++";
    expect((await pipe.generate({ ...call, guidanceScale: 1.2 })).images.shape).toEqual(one.images.shape);
  });

  it("tells which pipeline has an option that this one lacks", async () => {
    const pipe = await opened(StableDiffusionInstructPix2PixPipeline.fromPretrained(editFolder(), { device }));
    await expect(pipe.generate({ ...CALL, image: input, strength: 0.5 } as never)).rejects.toThrow(/strength/);
    const plain = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    await expect(plain.generate({ ...CALL, imageGuidanceScale: 2 } as never)).rejects.toMatchObject({
      hint: "imageGuidanceScale belongs to the pipelines of InstructPix2Pix",
    });
  });
});

describe("generate with InstructPix2Pix", () => {
  it("makes the pipeline's picture, with its settings", async () => {
    const model = editFolder();
    const pipe = await opened(StableDiffusionInstructPix2PixPipeline.fromPretrained(model, { device }));
    const { images } = await pipe.generate({ ...CALL, image: input, imageGuidanceScale: 1.2 });
    const { pictures, settings } = await generate({
      ...CALL,
      model,
      device,
      image: new Blob([new Uint8Array(await input.encode("png"))]),
      imageGuidanceScale: 1.2,
    });
    expect(pictures[0]?.image).toEqual(images[0]);
    expect(settings).toMatchObject({ imageGuidanceScale: 1.2, guidanceScale: 7.5, strength: undefined });
    expect(pictures[0]?.text.parameters).toMatch(/Image CFG scale: 1\.2/);
    expect(pictures[0]?.text.parameters).not.toMatch(/Denoising strength/);
  });

  it("needs a picture, and refuses options without effect", async () => {
    const model = editFolder();
    const image = new Blob([new Uint8Array(await input.encode("png"))]);
    await expect(generate({ ...CALL, model, device })).rejects.toMatchObject({
      message: expect.stringContaining("changes pictures: it needs one"),
      argument: "image",
    });
    await expect(generate({ ...CALL, model, device, image, strength: 0.5 })).rejects.toMatchObject({ argument: "strength" });
    await expect(generate({ ...CALL, model: checkpoint("sd1-mini"), device, image, imageGuidanceScale: 1.5 })).rejects.toMatchObject({
      argument: "imageGuidanceScale",
    });
    expect((await readModelIndex(openFolder(model))).className).toBe("StableDiffusionInstructPix2PixPipeline");
  });
});

describe("StableDiffusionDepth2ImgPipeline", () => {
  const folder = () => checkpointOf("StableDiffusionDepth2ImgPipeline", "sd2-mini", { unet: "options/unet-depth" });
  const depth = Tensor.from(
    Array.from({ length: 48 * 72 }, (_, i) => i % 72),
    [1, 48, 72],
  );

  it("is opened by model_index.json without its depth estimator, and recognised in a single file of full size", async () => {
    const path = checkpointOf("StableDiffusionDepth2ImgPipeline", "sd2-mini", { unet: "options/unet-depth" });
    const index = JSON.parse(readFileSync(join(path, "model_index.json"), "utf8"));
    const parts = { depth_estimator: ["transformers", "DPTForDepthEstimation"], feature_extractor: ["transformers", "DPTImageProcessor"] };
    writeFileSync(join(path, "model_index.json"), JSON.stringify({ ...index, ...parts }));
    const pipe = await opened(DiffusionPipeline.fromPretrained(path, { device }));
    expect(pipe.className).toBe("StableDiffusionDepth2ImgPipeline");
    const file = sparseFile({
      ...FULL_SIZE.sd21?.(),
      "model.diffusion_model.input_blocks.0.0.weight": [320, 5, 3, 3],
      "depth_model.model.pretrained.model.cls_token": [1, 1, 768],
    });
    expect(await inspect(file)).toMatchObject({
      kind: "checkpoint",
      className: "StableDiffusionDepth2ImgPipeline",
      predictionType: "epsilon",
    });
  });

  it("needs a depth map, says how to make one, and refuses a flat one and one of another shape", async () => {
    const pipe = await opened(StableDiffusionDepth2ImgPipeline.fromPretrained(folder(), { device }));
    const call = { ...CALL, image: input };
    await expect(pipe.generate(call as never)).rejects.toMatchObject({
      argument: "depthMap",
      hint: expect.stringMatching(/Depth Anything/),
    });
    await expect(pipe.generate({ ...call, depthMap: Tensor.full([1, 8, 8], 3) })).rejects.toThrow(/the same depth everywhere/);
    await expect(pipe.generate({ ...call, depthMap: Tensor.full([1, 3, 8, 8], 3) })).rejects.toThrow(
      "depthMap is [1,3,8,8]; expected [n, height, width]",
    );
    const plain = await opened(StableDiffusionDepth2ImgPipeline.fromPretrained(checkpoint("sd2-mini"), { device }));
    await expect(plain.generate({ ...call, depthMap: depth })).rejects.toThrow(/takes 4 channels; this pipeline needs one that takes 5/);
  });

  it("takes a grey picture, and latents to start from", async () => {
    const pipe = await opened(StableDiffusionDepth2ImgPipeline.fromPretrained(folder(), { device }));
    const call = { ...CALL, image: Tensor.full([1, 4, 24, 36], 0.5), outputType: "latent" } as const;
    const gray = { width: 72, height: 48, channels: 1, data: Uint8Array.from(depth.data) } as const;
    expect((await pipe.generate({ ...call, depthMap: gray })).images).toEqual((await pipe.generate({ ...call, depthMap: depth })).images);
  });

  it("makes the same picture from a request", async () => {
    const model = folder();
    const pipe = await opened(StableDiffusionDepth2ImgPipeline.fromPretrained(model, { device }));
    const { images } = await pipe.generate({ ...CALL, image: input, depthMap: input, strength: 0.7 });
    const image = new Blob([new Uint8Array(await input.encode("png"))]);
    const request = { ...CALL, model, device, image } as const;
    const { pictures } = await generate({ ...request, depthMap: image, strength: 0.7 });
    expect(pictures[0]?.image).toEqual(images[0]);
    await expect(generate(request)).rejects.toMatchObject({ argument: "depthMap", message: expect.stringMatching(/is missing/) });
    await expect(generate({ ...request, model: checkpoint("sd1-mini"), depthMap: image })).rejects.toMatchObject({ argument: "depthMap" });
  });

  it("resizes depth maps as torch does", () => {
    const squares = Tensor.from([0, 1, 4, 9, 16, 25], [1, 1, 2, 3]);
    expect(
      resizeTensorBicubic(squares, 3, 5)
        .toArray()
        .map((value) => Number(value.toFixed(4))),
    ).toEqual([-0.8273, -0.7738, -0.3021, 1.2497, 2.4151, 4.116, 5.62, 8.5, 12.46, 15.076, 9.0592, 12.0138, 17.3021, 23.6703, 27.7369]);
  });
});

describe("StableDiffusionUpscalePipeline", () => {
  const model = checkpoint("x4-upscaler-mini");

  it("is opened by model_index.json, and makes the picture larger by the autoencoder's factor", async () => {
    const pipe = (await opened(DiffusionPipeline.fromPretrained(model, { device }))) as unknown as StableDiffusionUpscalePipeline;
    expect(pipe).toMatchObject({ className: "StableDiffusionUpscalePipeline", maxNoiseLevel: 50 });
    const { images } = await pipe.generate({ ...CALL, image: input, noiseLevel: 30 });
    expect(images[0]).toMatchObject({ width: 2 * input.width, height: 2 * input.height });
    const image = new Blob([new Uint8Array(await input.encode("png"))]);
    const request = { ...CALL, model, device, image } as const;
    expect((await generate({ ...request, noiseLevel: 30 })).pictures[0]?.image).toEqual(images[0]);
    await expect(generate({ ...request, model: checkpoint("sd1-mini"), noiseLevel: 30 })).rejects.toMatchObject({ argument: "noiseLevel" });
  });

  it("refuses too much noise, latents in place of a picture, and other UNets", async () => {
    const pipe = await opened(StableDiffusionUpscalePipeline.fromPretrained(model, { device }));
    await expect(pipe.generate({ ...CALL, image: input, noiseLevel: 51 })).rejects.toThrow(
      "noiseLevel is 51; this checkpoint takes at most 50",
    );
    await expect(pipe.generate({ ...CALL, image: Tensor.full([1, 4, 8, 8], 1) })).rejects.toThrow(/expected pictures/);
    const unet = await opened(UNet2DConditionModel.fromPretrained(checkpoint("sd2-mini/unet"), { device }));
    const other = new StableDiffusionUpscalePipeline({ ...pipe.components, unet });
    await expect(other.generate({ ...CALL, image: input })).rejects.toThrow(/takes 4 channels; this pipeline needs one that takes 7/);
  });
});
