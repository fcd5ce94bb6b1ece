import { describe, expect, it, onTestFinished } from "vitest";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { StableDiffusionSafetyChecker } from "../../src/models/safety-checker.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionControlNetPipeline } from "../../src/pipelines/stable-diffusion-controlnet.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-img2img.js";
import { StableDiffusionXLInpaintPipeline } from "../../src/pipelines/stable-diffusion-xl-inpaint.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { Generator, rand } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { SMALL, smallFile } from "../helpers/full-size-files.js";
import { singleFile } from "../helpers/single-files.js";
import { collectWarnings } from "../helpers/warnings.js";

/** Frees what a test opened when it ends. */
async function opened<Part extends AsyncDisposable>(part: Promise<Part>): Promise<Part> {
  const found = await part;
  onTestFinished(() => found[Symbol.asyncDispose]());
  return found;
}

const CPU = { device: "cpu" } as const;
const CALL = { prompt: "a red fox, a (blue) background!", negativePrompt: "rain", seed: 5, numInferenceSteps: 3 } as const;
const image = rand([1, 3, 32, 32], new Generator(1));
const maskImage = rand([1, 1, 32, 32], new Generator(2)).map((value) => Math.round(value));

/** The pipelines that a single file can be opened as: the checkpoint, the class, and a call. */
const CASES = [
  ["text to picture", "sd1-mini", StableDiffusionPipeline, {}],
  ["text to picture with OpenCLIP", "sd2-mini", StableDiffusionPipeline, {}],
  ["picture to picture", "sd1-mini", StableDiffusionImg2ImgPipeline, { image, strength: 0.8 }],
  ["inpainting", "sd1-inpaint-mini", StableDiffusionInpaintPipeline, { image, maskImage, width: 32, height: 32 }],
  ["XL's text to picture", "sdxl-base-mini", StableDiffusionXLPipeline, {}],
  ["XL's picture to picture", "sdxl-base-mini", StableDiffusionXLImg2ImgPipeline, { image, strength: 0.8 }],
  ["XL's inpainting", "sdxl-base-mini", StableDiffusionXLInpaintPipeline, { image, maskImage, width: 32, height: 32 }],
  ["XL's refiner", "sdxl-refiner-mini", StableDiffusionXLImg2ImgPipeline, { image, strength: 0.8 }],
] as const;

type Any = { generate(request: object): Promise<{ images: unknown }> } & AsyncDisposable;
type AnyClass = {
  fromPretrained(path: string, options: object): Promise<Any>;
  fromSingleFile(path: string, options: object): Promise<Any>;
};

describe("a single file gives exactly the results of its folder", () => {
  it.each(CASES)("in %s", async (_, name, pipeline, call) => {
    const config = checkpoint(name);
    const folder = await opened((pipeline as AnyClass).fromPretrained(config, CPU));
    const file = await opened((pipeline as AnyClass).fromSingleFile(singleFile(name), { ...CPU, config }));
    for (const outputType of ["latent", "tensor"]) {
      const request = { ...CALL, ...call, outputType };
      expect((await file.generate(request)).images).toEqual((await folder.generate(request)).images);
    }
  });

  it("with a ControlNet that is a single file, too", async () => {
    const [config, controlConfig] = [checkpoint("sd1-mini"), checkpoint("controlnet-mini")];
    const net = await opened(ControlNetModel.fromPretrained(controlConfig, CPU));
    const netOfFile = await opened(ControlNetModel.fromSingleFile(singleFile("controlnet-mini"), { ...CPU, config: controlConfig }));
    const folder = await opened(StableDiffusionControlNetPipeline.fromPretrained(config, { ...CPU, controlnet: net }));
    const file = await opened(
      StableDiffusionControlNetPipeline.fromSingleFile(singleFile("sd1-mini"), { ...CPU, config, controlnet: netOfFile }),
    );
    const request = { ...CALL, image, outputType: "latent" } as const;
    expect((await file.generate(request)).images).toEqual((await folder.generate(request)).images);
  });

  it("in an autoencoder alone", async () => {
    const config = checkpoint("vae-swap-mini");
    const [folder, file] = [
      await opened(AutoencoderKL.fromPretrained(config, CPU)),
      await opened(AutoencoderKL.fromSingleFile(singleFile("vae-swap-mini"), { ...CPU, config })),
    ];
    const latents = rand([1, 4, 8, 8], new Generator(3));
    expect(await file.decode(latents)).toEqual(await folder.decode(latents));
    expect((await file.encode(image)).latentDist).toEqual((await folder.encode(image)).latentDist);
  });

  it("in the UNet and the autoencoder of a whole checkpoint", async () => {
    const [config, path] = [checkpoint("sdxl-base-mini"), singleFile("sdxl-base-mini")];
    const unets = [
      await opened(UNet2DConditionModel.fromPretrained(config, { ...CPU, subfolder: "unet" })),
      await opened(UNet2DConditionModel.fromSingleFile(path, { ...CPU, config, subfolder: "unet" })),
    ];
    const inputs = {
      encoderHiddenStates: Tensor.zeros([1, 5, 64]),
      addedCond: { textEmbeds: Tensor.zeros([1, 24]), timeIds: Tensor.zeros([1, 6]) },
    };
    const [expected, found] = await Promise.all(unets.map((unet) => unet.forward(rand([1, 4, 8, 8], new Generator(4)), 7, inputs)));
    expect(found).toEqual(expected);
    // The subfolder of the config is found without being named.
    const vae = await opened(AutoencoderKL.fromSingleFile(path, { ...CPU, config }));
    expect(vae.config.scalingFactor).toBe(0.13025);
  });

  it("with AUTOMATIC1111's weights in the prompt, and a LoRA on every layer of XL", async () => {
    const config = checkpoint("sdxl-base-mini");
    const pipes = [
      await opened(StableDiffusionXLPipeline.fromPretrained(config, CPU)),
      await opened(StableDiffusionXLPipeline.fromSingleFile(singleFile("sdxl-base-mini"), { ...CPU, config })),
    ];
    for (const pipe of pipes) await pipe.loadLoraWeights("test/fixtures/lora/adapters/xl_sgm.safetensors");
    const request = { ...CALL, prompt: "a (red:1.3) fox", promptSyntax: "a1111", outputType: "latent" } as const;
    const [expected, found] = [await pipes[0]?.generate(request), await pipes[1]?.generate(request)];
    expect(found?.images).toEqual(expected?.images);
    for (const pipe of pipes) pipe.fuseLora();
    const [fused, fusedOfFile] = [await pipes[0]?.generate(request), await pipes[1]?.generate(request)];
    expect(fusedOfFile?.images).toEqual(fused?.images);
  });
});

describe("DiffusionPipeline.fromSingleFile", () => {
  const open = (name: string, options: object = {}) =>
    opened(DiffusionPipeline.fromSingleFile(singleFile(name), { ...CPU, config: checkpoint(name), ...options }));

  it.each([
    ["sd1-mini", StableDiffusionPipeline],
    ["sd1-inpaint-mini", StableDiffusionInpaintPipeline],
    ["sdxl-base-mini", StableDiffusionXLPipeline],
    ["sdxl-refiner-mini", StableDiffusionXLImg2ImgPipeline],
  ])("opens %s as the pipeline its config names", async (name, pipeline) => {
    expect(await open(name)).toBeInstanceOf(pipeline);
  });

  it("uses the caller's parts instead of the file's", async () => {
    const vae = await opened(AutoencoderKL.fromPretrained(checkpoint("vae-swap-mini"), CPU));
    const pipe = await open("sd1-mini", { vae, scheduler: new DDIMScheduler() });
    expect(pipe.vae).toBe(vae);
    expect(pipe.scheduler.className).toBe("DDIMScheduler");
  });

  it.each([
    ["sd15", { predictionType: "v_prediction", timestepSpacing: "trailing" }, { _className: "PNDMScheduler" }],
    ["sd2", { predictionType: "epsilon", timestepSpacing: "linspace" }, { _className: "PNDMScheduler" }],
    ["sd15", { predictionType: "sample" }, { _className: "DDIMScheduler" }],
  ] as const)("takes what %s predicts, and how timesteps are spaced, as it is told: %j", async (name, options, expected) => {
    const heard = collectWarnings();
    const pipe = await opened(DiffusionPipeline.fromSingleFile(smallFile(SMALL[name](), 1), { ...CPU, ...options }));
    expect(pipe.scheduler.config).toMatchObject({ ...options, ...expected });
    expect(heard).toEqual([]);
  });

  it("refuses wrong options before it opens the file", async () => {
    const told = (options: object) => DiffusionPipeline.fromSingleFile("no-such.safetensors", options);
    const wrong = told({ predictionType: "velocity" });
    await expect(wrong).rejects.toThrow('predictionType is "velocity"; expected one of epsilon, v_prediction, sample');
    await expect(wrong).rejects.toMatchObject({ argument: "predictionType" });
    await expect(told({ timestepSpacing: 3 })).rejects.toThrow(
      "timestepSpacing is 3 (a number); expected one of linspace, leading, trailing",
    );
    const both = told({ timestepSpacing: "trailing", scheduler: new DDIMScheduler() });
    await expect(both).rejects.toMatchObject({
      message: "both timestepSpacing and a scheduler were given; expected one of them",
      argument: "timestepSpacing",
    });
  });

  it("refuses a setting that the scheduler does not have", async () => {
    const edm = { added: { edm_mean: Tensor.zeros([4]), edm_std: Tensor.zeros([4]) } };
    const told = DiffusionPipeline.fromSingleFile(smallFile(SMALL["sdxl-base"](), 1, edm), { ...CPU, timestepSpacing: "trailing" });
    await expect(told).rejects.toThrow("timestepSpacing does not apply to EDMDPMSolverMultistepScheduler, which has no such setting");
    await expect(told).rejects.toMatchObject({ argument: "timestepSpacing" });
  });

  it("gives a folder's scheduler the same settings", async () => {
    const pipe = await opened(DiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...CPU, predictionType: "v_prediction" }));
    expect(pipe.scheduler.config).toMatchObject({ _className: "PNDMScheduler", predictionType: "v_prediction" });
  });

  it("has no safety checker, and prepares pictures for one that the caller gives", async () => {
    const path = smallFile(SMALL.sd15(), 1);
    expect((await opened(StableDiffusionPipeline.fromSingleFile(path, CPU))).safetyChecker).toBeNull();
    const safetyChecker = await opened(StableDiffusionSafetyChecker.fromPretrained(checkpoint("safety-mini"), CPU));
    const pipe = await opened(StableDiffusionPipeline.fromSingleFile(path, { ...CPU, safetyChecker }));
    expect(pipe.featureExtractor?.config).toMatchObject({ cropSize: { height: 224, width: 224 }, doNormalize: true });
  });

  it("gives the same result as fromPretrained, which takes files, too", async () => {
    const config = checkpoint("sd1-mini");
    const pipe = await opened(DiffusionPipeline.fromPretrained(singleFile("sd1-mini"), { ...CPU, config }));
    expect(pipe).toBeInstanceOf(StableDiffusionPipeline);
  });

  it.each([
    [checkpoint("sd1-mini"), /is a folder; a single file was expected/],
    ["owner/name", /may be a hub id; a single file was expected/],
  ])("refuses %s", async (path, message) => {
    await expect(DiffusionPipeline.fromSingleFile(path)).rejects.toThrow(message);
  });
});
