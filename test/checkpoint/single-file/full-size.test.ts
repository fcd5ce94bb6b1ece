import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/checkpoint/config.js";
import { readModelIndex } from "../../../src/checkpoint/model-index.js";
import { openWeights } from "../../../src/checkpoint/weights.js";
import { openCheckpoint } from "../../../src/hub/open-checkpoint.js";
import { AutoencoderKL } from "../../../src/models/autoencoder-kl.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../../src/models/clip-text.js";
import type { ModelOptions } from "../../../src/models/model.js";
import { UNet2DConditionModel } from "../../../src/models/unet-2d-condition.js";
import type { Folder } from "../../../src/platform/folder.js";
import type { Engine } from "../../../src/runtime/engine.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { CLIPTokenizer } from "../../../src/tokenizer/clip.js";
import { distilledXL, FULL_SIZE, FULL_SIZE_KIN, type Shapes, sparseFile, vae } from "../../helpers/full-size-files.js";

/** The metadata keeps Stable Diffusion 2's from having to be assumed, which is told. */
async function open(name: string): Promise<Folder> {
  return openCheckpoint(sparseFile(FULL_SIZE[name]?.() ?? {}, name === "sd21" ? { "modelspec.prediction_type": "v" } : undefined));
}

class GraphBuilt extends Error {}

/** An engine on which nothing runs: a graph that reaches it was built, and had all of its weights. */
const DRAWING_BOARD: Engine = {
  device: "cpu",
  capabilities: { device: "cpu" },
  lowMemory: false,
  load: async () => {
    throw new GraphBuilt();
  },
  dispose: async () => {},
};

/** Builds the graphs of every network that the folder has. */
async function expectGraphs(folder: Folder): Promise<void> {
  const from = (subfolder: string): ModelOptions => ({ subfolder, engine: DRAWING_BOARD });
  const { components } = await readModelIndex(folder);
  const ids = new Tensor("int64", [1, 77], new BigInt64Array(77).fill(49407n));
  const expectBuilt = (work: Promise<unknown>) => expect(work).rejects.toThrow(GraphBuilt);
  const autoencoder = await AutoencoderKL.fromPretrained(folder, from("vae"));
  await expectBuilt(autoencoder.encode(Tensor.zeros([1, 3, 64, 64])));
  await expectBuilt(autoencoder.decode(Tensor.zeros([1, 4, 8, 8])));
  if (components.get("text_encoder")) await expectBuilt((await CLIPTextModel.fromPretrained(folder, from("text_encoder"))).forward(ids));
  if (components.get("text_encoder_2"))
    await expectBuilt((await CLIPTextModelWithProjection.fromPretrained(folder, from("text_encoder_2"))).forward(ids));
  const unet = await UNet2DConditionModel.fromPretrained(folder, from("unet"));
  const { inChannels, crossAttentionDim, additionEmbedType, projectionClassEmbeddingsInputDim, timeCondProjDim } = unet.config;
  const numbers = ((projectionClassEmbeddingsInputDim ?? 0) - 1280) / 256;
  await expectBuilt(
    unet.forward(Tensor.zeros([1, inChannels, 8, 8]), 1, {
      encoderHiddenStates: Tensor.zeros([1, 77, crossAttentionDim as number]),
      ...(timeCondProjDim && { timestepCond: Tensor.zeros([1, timeCondProjDim]) }),
      ...(additionEmbedType && { addedCond: { textEmbeds: Tensor.zeros([1, 1280]), timeIds: Tensor.zeros([1, numbers]) } }),
    }),
  );
}

/** What all configs of Stable Diffusion's repositories on the hub say. */
const SD_SCHEDULER = {
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: "scaled_linear",
  clipSample: false,
  numTrainTimesteps: 1000,
  setAlphaToOne: false,
  skipPrkSteps: true,
  stepsOffset: 1,
  trainedBetas: null,
};

const XL_SCHEDULER = {
  ...SD_SCHEDULER,
  _className: "EulerDiscreteScheduler",
  interpolationType: "linear",
  predictionType: "epsilon",
  sampleMaxValue: 1,
  timestepSpacing: "leading",
  useKarrasSigmas: false,
};

const EXPECTED = {
  sd15: {
    className: "StableDiffusionPipeline",
    unet: { inChannels: 4, sampleSize: 64, crossAttentionDim: 768, attentionHeadDim: 8, transformerLayersPerBlock: 1, layersPerBlock: 2 },
    widths: [320, 640, 1280, 1280],
    vae: { sampleSize: 512, scalingFactor: 0.18215, latentChannels: 4, layersPerBlock: 2 },
    scheduler: { ...SD_SCHEDULER, _className: "PNDMScheduler" },
    textEncoder: { hiddenSize: 768, numHiddenLayers: 12, numAttentionHeads: 12, hiddenAct: "quick_gelu", projectionDim: 768 },
    pad: 49407,
  },
  "sd15-inpaint": {
    className: "StableDiffusionInpaintPipeline",
    unet: { inChannels: 9, sampleSize: 64, crossAttentionDim: 768, attentionHeadDim: 8 },
    widths: [320, 640, 1280, 1280],
    vae: { sampleSize: 512, scalingFactor: 0.18215 },
    scheduler: { ...SD_SCHEDULER, _className: "DDIMScheduler" },
    textEncoder: { hiddenSize: 768, numHiddenLayers: 12 },
    pad: 49407,
  },
  sd21: {
    className: "StableDiffusionPipeline",
    unet: { inChannels: 4, sampleSize: 96, crossAttentionDim: 1024, attentionHeadDim: [5, 10, 20, 20], transformerLayersPerBlock: 1 },
    widths: [320, 640, 1280, 1280],
    vae: { sampleSize: 768, scalingFactor: 0.18215 },
    scheduler: { ...SD_SCHEDULER, _className: "DDIMScheduler", predictionType: "v_prediction" },
    // Of OpenCLIP's 24 layers the last is left out.
    textEncoder: { hiddenSize: 1024, numHiddenLayers: 23, numAttentionHeads: 16, intermediateSize: 4096, hiddenAct: "gelu" },
    pad: 0,
  },
  "sdxl-base": {
    className: "StableDiffusionXLPipeline",
    unet: {
      inChannels: 4,
      sampleSize: 128,
      crossAttentionDim: 2048,
      attentionHeadDim: [5, 10, 20],
      transformerLayersPerBlock: [1, 2, 10],
      additionEmbedType: "text_time",
      additionTimeEmbedDim: 256,
      projectionClassEmbeddingsInputDim: 2816,
      downBlockTypes: ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
      upBlockTypes: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    },
    widths: [320, 640, 1280],
    vae: { sampleSize: 1024, scalingFactor: 0.13025 },
    scheduler: XL_SCHEDULER,
    textEncoder: { hiddenSize: 768, numHiddenLayers: 12, hiddenAct: "quick_gelu" },
    textEncoder2: { hiddenSize: 1280, numHiddenLayers: 32, numAttentionHeads: 20, hiddenAct: "gelu", projectionDim: 1280 },
    pad: 49407,
    settings: { forceZerosForEmptyPrompt: true, requiresAestheticsScore: false },
  },
  "sdxl-refiner": {
    className: "StableDiffusionXLImg2ImgPipeline",
    unet: {
      sampleSize: 128,
      crossAttentionDim: 1280,
      attentionHeadDim: [6, 12, 24, 24],
      transformerLayersPerBlock: [1, 4, 4, 4],
      projectionClassEmbeddingsInputDim: 2560,
      downBlockTypes: ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
      upBlockTypes: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    },
    widths: [384, 768, 1536, 1536],
    vae: { sampleSize: 1024, scalingFactor: 0.13025 },
    scheduler: XL_SCHEDULER,
    textEncoder2: { hiddenSize: 1280, numHiddenLayers: 32, projectionDim: 1280 },
    settings: { forceZerosForEmptyPrompt: false, requiresAestheticsScore: true },
  },
};

describe.each(Object.entries(EXPECTED))("a full-sized file of %s", (name, expected) => {
  const { className, unet, widths, scheduler, ...rest } = expected;

  it(`is a ${className} with the configs of its folder on the hub`, async () => {
    const folder = await open(name);
    const config = (part: string) => readConfig(folder.open(part), part === "scheduler" ? "scheduler_config.json" : "config.json");
    const index = await readModelIndex(folder);
    expect(index.className).toBe(className);
    expect(index.options).toEqual("settings" in rest ? rest.settings : {});
    expect(await config("unet")).toMatchObject({ ...unet, blockOutChannels: widths });
    expect(await config("unet")).not.toHaveProperty("reverseTransformerLayersPerBlock");
    expect(await config("vae")).toMatchObject({ ...rest.vae, blockOutChannels: [128, 256, 512, 512], useQuantConv: true });
    // Not a field more: a scheduler that is made of this config takes its own defaults for what is missing.
    expect(await config("scheduler")).toEqual(scheduler);
    if ("textEncoder" in rest) expect(await config("text_encoder")).toMatchObject(rest.textEncoder);
    if ("textEncoder2" in rest) expect(await config("text_encoder_2")).toMatchObject(rest.textEncoder2);
  });

  it("has every tensor that the graphs of its networks need", async () => {
    await expectGraphs(await open(name));
  });

  it("has no tensor that is not used", async () => {
    const folder = await open(name);
    const { components } = await readModelIndex(folder);
    const parts = ["unet", "vae", "text_encoder", "text_encoder_2"].filter((part) => components.get(part));
    let bytes = 0;
    for (const part of parts) bytes += (await openWeights(folder.open(part))).bytes;
    const numbers = Object.entries(FULL_SIZE[name]?.() ?? {})
      // What diffusers, too, leaves out: the end of OpenCLIP, of which the features are taken before it.
      .filter(([key]) => !/^cond_stage_model\.model\.(transformer\.resblocks\.23\.|text_projection)/.test(key))
      .reduce((sum, [, shape]) => sum + shape.reduce((size, extent) => size * extent, 1), 0);
    expect(bytes).toBe(2 * numbers);
  });

  if ("pad" in rest) {
    it("has CLIP's tokenizer, which fills prompts up as in training", async () => {
      const tokenizer = await CLIPTokenizer.fromPretrained(await open(name), { subfolder: "tokenizer" });
      expect(tokenizer.encode("a red fox")).toEqual([49406, 320, 736, 3240, 49407]);
      expect(tokenizer.padTokenId).toBe(rest.pad);
    });
  }

  if ("textEncoder2" in rest) {
    it("fills prompts for the second text encoder with !", async () => {
      const tokenizer = await CLIPTokenizer.fromPretrained(await open(name), { subfolder: "tokenizer_2" });
      expect([tokenizer.vocabSize, tokenizer.padTokenId, tokenizer.eosTokenId]).toEqual([49408, 0, 49407]);
    });
  }
});

/** Networks of the same families with other proportions, or something more in their files. */
const KIN = {
  "sd2-inpaint": {
    className: "StableDiffusionInpaintPipeline",
    unet: { inChannels: 9, sampleSize: 64 },
    scheduler: { ...SD_SCHEDULER, _className: "PNDMScheduler" },
  },
  "sdxl-inpaint": { className: "StableDiffusionXLInpaintPipeline", unet: { inChannels: 9, sampleSize: 128 }, scheduler: XL_SCHEDULER },
  "sdxl-without-first-encoder": {
    className: "StableDiffusionXLPipeline",
    unet: { crossAttentionDim: 2048 },
    scheduler: XL_SCHEDULER,
    settings: { requiresAestheticsScore: false },
  },
  "sdxl-without-encoders": { className: "StableDiffusionXLPipeline", unet: { crossAttentionDim: 2048 }, scheduler: XL_SCHEDULER },
  "sdxl-refiner-without-encoders": {
    className: "StableDiffusionXLImg2ImgPipeline",
    unet: { crossAttentionDim: 1280 },
    scheduler: XL_SCHEDULER,
    settings: { requiresAestheticsScore: true },
  },
  "sdxl-turbo": { className: "StableDiffusionXLPipeline", unet: { transformerLayersPerBlock: [1, 2, 10] }, scheduler: XL_SCHEDULER },
  "playground-v2.5": {
    className: "StableDiffusionXLPipeline",
    unet: { transformerLayersPerBlock: [1, 2, 10] },
    vae: { scalingFactor: 0.5, latentsMean: [-1.6574, 1.886, -1.383, 2.5155], latentsStd: [8.4927, 5.9022, 6.5498, 5.2299] },
  },
  "ssd-1b": {
    className: "StableDiffusionXLPipeline",
    unet: {
      transformerLayersPerBlock: [1, 2, 4],
      reverseTransformerLayersPerBlock: [[4, 4, 10], [2, 1, 1], 1],
      midBlockType: "UNetMidBlock2D",
    },
    scheduler: XL_SCHEDULER,
  },
  "segmind-vega": {
    className: "StableDiffusionXLPipeline",
    unet: { transformerLayersPerBlock: [1, 1, 2], midBlockType: "UNetMidBlock2D" },
    scheduler: XL_SCHEDULER,
  },
  lcm: { className: "StableDiffusionPipeline", unet: { timeCondProjDim: 256, sampleSize: 64, crossAttentionDim: 768 } },
  "lcm-sdxl": {
    className: "StableDiffusionXLPipeline",
    unet: { timeCondProjDim: 256, sampleSize: 128 },
    scheduler: { ...XL_SCHEDULER, _className: "LCMScheduler" },
  },
};

describe.each(Object.entries(KIN))("a full-sized file of %s", (name, { className, unet, ...rest }) => {
  const openKin = () => openCheckpoint(sparseFile(FULL_SIZE_KIN[name]?.() ?? {}));

  it(`is a ${className} with the configs of its repository`, async () => {
    const folder = await openKin();
    const index = await readModelIndex(folder);
    expect(index.className).toBe(className);
    expect(await readConfig(folder.open("unet"), "config.json")).toMatchObject(unet);
    if ("settings" in rest) expect(index.options).toMatchObject(rest.settings);
    if ("vae" in rest) expect(await readConfig(folder.open("vae"), "config.json")).toMatchObject(rest.vae);
    if ("scheduler" in rest) expect(await readConfig(folder.open("scheduler"), "scheduler_config.json")).toEqual(rest.scheduler);
  });

  if (!name.includes("without")) {
    it("has every tensor that the graphs of its networks need", async () => {
      await expectGraphs(await openKin());
    });
  }
});

describe("the scheduler of a full-sized file", () => {
  const schedulerOf = async (shapes: Shapes) =>
    readConfig((await openCheckpoint(sparseFile(shapes))).open("scheduler"), "scheduler_config.json");

  it("of Playground 2.5 is that of its repository", async () => {
    expect(await schedulerOf(FULL_SIZE_KIN["playground-v2.5"]?.() ?? {})).toEqual({
      _className: "EDMDPMSolverMultistepScheduler",
      algorithmType: "dpmsolver++",
      dynamicThresholdingRatio: 0.995,
      eulerAtFinal: false,
      finalSigmasType: "zero",
      lowerOrderFinal: true,
      numTrainTimesteps: 1000,
      predictionType: "epsilon",
      rho: 7,
      sampleMaxValue: 1,
      sigmaData: 0.5,
      sigmaMax: 80,
      sigmaMin: 0.002,
      solverOrder: 2,
      solverType: "midpoint",
      thresholding: false,
    });
  });

  it("of a latent consistency model is LCM's", async () => {
    const config = await schedulerOf(FULL_SIZE_KIN.lcm?.() ?? {});
    expect(config).toMatchObject({ _className: "LCMScheduler", originalInferenceSteps: 50, clipSample: false, setAlphaToOne: true });
  });

  it("of Stable Diffusion 2's base model is that of its own repository, and the pictures are smaller", async () => {
    const folder = await openCheckpoint(sparseFile(FULL_SIZE.sd21?.() ?? {}), { predictionType: "epsilon" });
    const config = await readConfig(folder.open("scheduler"), "scheduler_config.json");
    expect(config).toEqual({ ...SD_SCHEDULER, _className: "PNDMScheduler", predictionType: "epsilon" });
    expect(await readConfig(folder.open("unet"), "config.json")).toMatchObject({ sampleSize: 64 });
  });
});

describe("the config of", () => {
  it("a UNet distilled from XL's has the depth of every level", async () => {
    const folder = (await openCheckpoint(sparseFile({ ...distilledXL(), ...vae() }))).open("unet");
    expect(await readConfig(folder, "config.json")).toMatchObject({
      transformerLayersPerBlock: [1, 2, 4],
      reverseTransformerLayersPerBlock: [[4, 4, 10], [2, 1, 1], 1],
      midBlockType: "UNetMidBlock2D",
    });
    const unet = await UNet2DConditionModel.fromPretrained(folder, { engine: DRAWING_BOARD });
    const addedCond = { textEmbeds: Tensor.zeros([1, 1280]), timeIds: Tensor.zeros([1, 6]) };
    const conditions = { encoderHiddenStates: Tensor.zeros([1, 77, 2048]), addedCond };
    await expect(unet.forward(Tensor.zeros([1, 4, 8, 8]), 1, conditions)).rejects.toThrow(GraphBuilt);
  });

  it("an autoencoder alone in its file is Stable Diffusion 1's, as in diffusers, unless its metadata names XL", async () => {
    const [plain, xl] = [
      await openCheckpoint(sparseFile(vae(""))),
      await openCheckpoint(sparseFile(vae(""), { "modelspec.architecture": "stable-diffusion-xl-v1-base/vae" })),
    ];
    expect(await readConfig(plain, "config.json")).toMatchObject({ _className: "AutoencoderKL", scalingFactor: 0.18215, sampleSize: 512 });
    expect(await readConfig(xl, "config.json")).toMatchObject({ scalingFactor: 0.13025, sampleSize: 1024 });
  });

  it("an autoencoder with more latent channels is refused", async () => {
    const folder = await openCheckpoint(sparseFile(vae("", 16)));
    await expect(readConfig(folder, "config.json")).rejects.toThrow(/its latents have 16 channels/);
  });
});
