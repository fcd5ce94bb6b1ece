import { describe, expect, it } from "vitest";
import { inTerminal, optionOf } from "../../src/cli/spelling.js";
import { ArgumentError } from "../../src/errors.js";
import { openWorkflow } from "../../src/generate/open-workflow.js";
import { RUN_FIELDS, type RunRequest } from "../../src/generate/run-request.js";
import { resize } from "../../src/image/resize.js";
import { device, input, mask } from "../cli/pictures.js";
import { checkpointOf } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";

const picture = resize(input, 64, 64);

/** A value of every option of a run. Options that need another come with it. */
const VALUES: Readonly<Record<keyof typeof RUN_FIELDS, RunRequest>> = {
  prompt: { prompt: "a fox" },
  negativePrompt: { negativePrompt: "a cat" },
  promptSyntax: { promptSyntax: "a1111" },
  classLabels: { classLabels: 1 },
  numInferenceSteps: { numInferenceSteps: 3 },
  timesteps: { numInferenceSteps: undefined, timesteps: [900, 500] },
  sigmas: { numInferenceSteps: undefined, sigmas: [10, 3, 0] },
  guidanceScale: { guidanceScale: 4 },
  guidanceRescale: { guidanceRescale: 0.5 },
  guidanceInterval: { guidanceInterval: { start: 0.1 } },
  freeU: { freeU: { s1: 0.9, s2: 0.2, b1: 1.2, b2: 1.4 } },
  pagScale: { pagScale: 3 },
  pagAdaptiveScale: { pagScale: 3, pagAdaptiveScale: 0.1 },
  pagAppliedLayers: { pagScale: 3, pagAppliedLayers: "mid" },
  eta: { eta: 0.5 },
  preset: { preset: "lightning-4" },
  clipSkip: { clipSkip: 1 },
  seed: { seed: 4 },
  numImagesPerPrompt: { numImagesPerPrompt: 2 },
  width: { width: 64 },
  height: { height: 64 },
  scheduler: { scheduler: "euler" },
  timestepSpacing: { timestepSpacing: "trailing" },
  schedule: { schedule: "simple" },
  schedulerConfig: { scheduler: "euler", schedulerConfig: { useKarrasSigmas: true } },
  cache: { cache: { interval: 2 } },
  tokenMerging: { tokenMerging: 0.5 },
  image: { image: picture },
  strength: { image: picture, strength: 0.5 },
  maskImage: { image: picture, maskImage: mask },
  paddingMaskCrop: { image: picture, maskImage: mask, paddingMaskCrop: 4 },
  imageGuidanceScale: { imageGuidanceScale: 1.2 },
  depthMap: { image: picture, depthMap: mask },
  noiseLevel: { noiseLevel: 10 },
  prompt2: { prompt2: "a cat" },
  prompt3: { prompt3: "a cat" },
  negativePrompt2: { negativePrompt2: "a dog" },
  negativePrompt3: { negativePrompt3: "a dog" },
  maxSequenceLength: { maxSequenceLength: 64 },
  trueCfgScale: { negativePrompt: "a cat", trueCfgScale: 2 },
  cfgTruncation: { cfgTruncation: 0.5 },
  cfgNormalization: { cfgNormalization: true },
  skipGuidanceLayers: { skipGuidanceLayers: [0] },
  skipLayerGuidanceScale: { skipGuidanceLayers: [0], skipLayerGuidanceScale: 2 },
  skipLayerGuidanceStart: { skipGuidanceLayers: [0], skipLayerGuidanceStart: 0.1 },
  skipLayerGuidanceStop: { skipGuidanceLayers: [0], skipLayerGuidanceStop: 0.5 },
  mu: { mu: 1 },
  maxArea: { maxArea: 4096 },
  autoResize: { autoResize: false },
  textEncoderOutLayers: { textEncoderOutLayers: [1, 2, 3] },
  hires: { hires: { scale: 2 } },
  controlImage: { controlImage: picture },
  controlnetConditioningScale: { controlnetConditioningScale: 0.5 },
  controlGuidanceStart: { controlGuidanceStart: 0.1 },
  controlGuidanceEnd: { controlGuidanceEnd: 0.9 },
  controlMode: { controlMode: "canny" },
  controlPreprocessor: { controlPreprocessor: "canny" },
  controlResizeMode: { controlResizeMode: "resize" },
  guessMode: { guessMode: true },
  ipAdapterImage: { ipAdapterImage: picture },
  ipAdapterMasks: { ipAdapterMasks: mask },
  ipAdapterScale: { ipAdapterScale: 0.5 },
  denoisingEnd: { denoisingEnd: 0.5 },
} as never;

/** Checkpoints of every family, what their runs need, and options of pipelines with a prompt that they must refuse by name. */
const FAMILIES: readonly (readonly [name: string, folder: () => string, needs: RunRequest, refused: readonly (keyof RunRequest)[]])[] = [
  ["sd1", () => checkpoint("sd1-mini"), { prompt: "a fox" }, ["noiseLevel", "imageGuidanceScale", "depthMap", "classLabels"]],
  ["sd2", () => checkpoint("sd2-mini"), { prompt: "a fox" }, ["noiseLevel"]],
  ["xl", () => checkpoint("sdxl-base-mini"), { prompt: "a fox" }, ["noiseLevel"]],
  ["xl-refiner", () => checkpoint("sdxl-refiner-mini"), { prompt: "a fox", image: picture }, ["noiseLevel"]],
  [
    "lcm",
    () => checkpointOf("LatentConsistencyModelPipeline", "sd1-mini", { unet: "options/unet-lcm" }),
    { prompt: "a fox", scheduler: "lcm" },
    ["negativePrompt", "guidanceRescale", "guidanceInterval", "eta", "sigmas", "maskImage"],
  ],
  [
    "pix2pix",
    () => checkpointOf("StableDiffusionInstructPix2PixPipeline", "sd1-mini", { unet: "options/unet-edit" }),
    { prompt: "a fox", image: picture },
    ["strength", "hires", "maskImage", "noiseLevel"],
  ],
  [
    "sd2-depth",
    () => checkpointOf("StableDiffusionDepth2ImgPipeline", "sd2-mini", { unet: "options/unet-depth" }),
    { prompt: "a fox", image: picture, depthMap: mask },
    ["hires", "maskImage", "noiseLevel"],
  ],
  [
    "x4-upscaler",
    () => checkpoint("x4-upscaler-mini"),
    { prompt: "a fox", image: picture },
    ["strength", "hires", "maskImage", "depthMap"],
  ],
  [
    "latent-upscaler",
    () => checkpoint("x2-upscaler-mini"),
    { prompt: "a fox", image: picture },
    [
      ...(["guidanceRescale", "freeU", "pagScale", "pagAdaptiveScale", "pagAppliedLayers", "eta", "cache"] as const),
      ...(["strength", "hires", "maskImage", "depthMap", "noiseLevel", "imageGuidanceScale"] as const),
    ],
  ],
  ...[
    ["z-image-mini", ["prompt2", "trueCfgScale", "mu", "eta", "textEncoderOutLayers", "maskImage"]],
    ["flux2-klein-mini", ["prompt2", "negativePrompt", "strength", "trueCfgScale"]],
    ["flux-dev-mini", ["prompt3", "maxArea", "cfgTruncation"]],
    ["chroma-mini", ["prompt2", "trueCfgScale", "skipGuidanceLayers", "maskImage"]],
    ["sd35-mini", ["maxArea", "cfgNormalization", "trueCfgScale", "eta"]],
    ["qwen-image-mini", ["prompt2", "mu", "maskImage"]],
  ].map(
    ([name, refused]) =>
      [name, () => checkpoint(name as string), { prompt: "a fox", width: 64, height: 64 }, refused] as (typeof FAMILIES)[number],
  ),
  [
    "ddpm",
    () => checkpoint("ddpm-mini"),
    {},
    [
      ...(["negativePrompt", "guidanceScale", "guidanceRescale", "guidanceInterval", "freeU", "pagScale", "eta", "clipSkip"] as const),
      ...(["cache", "image", "width", "height", "hires", "noiseLevel", "imageGuidanceScale", "timesteps", "sigmas", "schedule"] as const),
    ],
  ],
  ["consistency", () => checkpoint("consistency-mini"), {}, ["negativePrompt", "pagScale", "eta", "noiseLevel", "sigmas"]],
  ["score-sde-ve", () => checkpoint("score-sde-mini"), {}, ["negativePrompt", "pagScale", "eta", "noiseLevel", "timesteps"]],
];

describe.each(FAMILIES)("a checkpoint of %s", (_, folder, needs, refused) => {
  it("takes every option of a run, or refuses it by its name", { timeout: 120_000 }, async () => {
    await using workflow = await openWorkflow({ model: folder(), device });
    const problems: string[] = [];
    for (const [option, value] of Object.entries(VALUES) as [keyof RunRequest, RunRequest][]) {
      const error = await firstStep(workflow.run({ numInferenceSteps: 2, seed: 3, ...needs, ...value }));
      const { message } = error ? error.spell(inTerminal) : { message: "" };
      const names = [option, error?.argument, error?.argument && optionOf(error.argument)];
      const isNamed = names.some((each) => each && message.includes(each));
      // Other refusals are about values: they name the option and say what is wrong.
      if (error && (!isNamed || /has no option|did you mean|generate has/.test(message))) problems.push(`${option}: ${message}`);
      if (refused.includes(option) && !error) problems.push(`${option}: not refused`);
    }
    expect(problems).toEqual([]);
  });
});

it("has a value of every option", () => {
  expect(Object.keys(VALUES).toSorted()).toEqual(Object.keys(RUN_FIELDS).toSorted());
});

/** The error before the first step, if there is one. */
async function firstStep(events: AsyncGenerator<{ readonly kind: string }>): Promise<ArgumentError | undefined> {
  try {
    for await (const { kind } of events) if (kind === "step") return undefined;
  } catch (error) {
    if (error instanceof ArgumentError) return error;
    throw error;
  }
  return undefined;
}
