import { describe, expect, it } from "vitest";
import { type RunSettings, settingsText } from "../../src/generate/run-settings.js";
import { parseParameters } from "../../src/image/parameters.js";

const NOTHING = {
  negativePrompt: undefined,
  guidanceScale: undefined,
  guidanceRescale: undefined,
  guidanceInterval: undefined,
  freeU: undefined,
  pagScale: undefined,
  pagAdaptiveScale: undefined,
  pagAppliedLayers: undefined,
  eta: undefined,
  strength: undefined,
  imageGuidanceScale: undefined,
  hires: undefined,
  noiseLevel: undefined,
  clipSkip: undefined,
  width: undefined,
  height: undefined,
  predictionType: undefined,
  timestepSpacing: undefined,
  cache: undefined,
  tokenMerging: undefined,
  image: undefined,
  maskImage: undefined,
  paddingMaskCrop: undefined,
  guessMode: undefined,
  vae: undefined,
  refiner: undefined,
  denoisingEnd: undefined,
  schedulerSettings: undefined,
};

const RUN: RunSettings = {
  ...NOTHING,
  model: "sd15",
  prompt: "a fox",
  taggedPrompt: "a fox",
  promptSyntax: "plain",
  numInferenceSteps: 20,
  seeds: [7n],
  scheduler: "EulerDiscreteScheduler",
  schedulerConfig: { useKarrasSigmas: true },
  controls: [],
  loras: [],
  embeddings: [],
  device: "cpu",
  precision: "exact",
};

const FACTS = { width: 64, height: 32, seed: 7n };

/** The settings as other programs read them. */
function read(run: Partial<RunSettings>, facts: Partial<Parameters<typeof settingsText>[1]> = {}) {
  return parseParameters(settingsText({ ...RUN, ...run }, { ...FACTS, ...facts }).parameters ?? "");
}

describe("settingsText", () => {
  it("writes what every picture has", () => {
    expect(read({})).toEqual({
      prompt: "a fox",
      negativePrompt: "",
      settings: {
        Steps: "20",
        Sampler: "Euler",
        "Schedule type": "Karras",
        Seed: "7",
        Size: "64x32",
        Model: "sd15",
        RNG: "CPU",
        Scheduler: "EulerDiscreteScheduler",
        Version: expect.stringMatching(/^darkroom /),
      },
    });
  });

  it.each<[Partial<RunSettings>, Record<string, string>]>([
    [
      { guidanceScale: 7.5, guidanceRescale: 0.7 },
      { "CFG scale": "7.5", "Guidance rescale": "0.7" },
    ],
    [{ clipSkip: 1 }, { "Clip skip": "2" }],
    [{ vae: "ft-mse" }, { VAE: "ft-mse" }],
    [
      { refiner: "xl-refiner", denoisingEnd: 0.8 },
      { Refiner: "xl-refiner", "Refiner switch at": "0.8" },
    ],
    [
      { image: "in.png", strength: 0.6 },
      { "Denoising strength": "0.6", "Init image": "in.png" },
    ],
    [
      { image: "in.png", strength: 1, maskImage: "mask.png" },
      { Mask: "mask.png", Size: "64x32" },
    ],
    [
      { controls: [{ model: "canny", image: "edges.png", scale: 0.5, start: 0, end: 1 }] },
      { "ControlNet 0": "Model: canny, Weight: 0.5, Image: edges.png" },
    ],
    [
      { controls: [{ model: "canny", image: "edges.png", scale: 1, start: 0.1, end: 0.8 }], guessMode: true },
      { "ControlNet 0": "Model: canny, Weight: 1, Guidance Start: 0.1, Guidance End: 0.8, Control Mode: Guess, Image: edges.png" },
    ],
    [
      {
        controls: [
          {
            ...{ model: "union", image: "fox.png", scale: 1, start: 0, end: 1, mode: 3, resizeMode: "fill" },
            preprocessor: { name: "canny", lowThreshold: 50, highThreshold: 150 },
          },
        ],
      },
      {
        "ControlNet 0":
          "Module: canny, Model: union, Union Control Type: 3, Weight: 1, Resize Mode: Resize and Fill, Threshold A: 50, Threshold B: 150, Image: fox.png",
      },
    ],
    [{ timesteps: [999, 500.5] }, { Timesteps: "999, 500.5" }],
    [{ sigmas: [14.6, 2, 0] }, { Sigmas: "14.6, 2, 0" }],
    [{ precision: "fast" }, { Precision: "fast" }],
    [{ cache: { interval: 3 } }, { "DeepCache interval": "3" }],
    [{ tokenMerging: 0.5 }, { "Token merging ratio": "0.5" }],
    [{ cache: { threshold: 0.1 } }, { "Step cache threshold": "0.1" }],
    [{ cache: { interval: 3, branch: 1 } }, { "DeepCache interval": "3", "DeepCache branch": "1" }],
    [
      { predictionType: "v_prediction", timestepSpacing: "trailing" },
      { "Prediction type": "v_prediction", "Timestep spacing": "trailing" },
    ],
    [{ prompt: "a (red) fox" }, { Emphasis: "None" }],
  ])("adds what differs: %j", (run, settings) => {
    expect(read(run).settings).toMatchObject(settings);
  });

  it("does not mention a cache that is off, or brackets that are emphasis", () => {
    expect(read({ cache: { interval: 1 } })).toEqual(read({}));
    expect(read({ prompt: "a (red) fox", promptSyntax: "a1111" })).toEqual(read({}));
  });

  it("states the size that was worked at around a mask, if the request names it", () => {
    const mask = { image: "in.png", strength: 1, maskImage: "mask.png", paddingMaskCrop: 8 };
    expect(read(mask).settings).not.toHaveProperty("Size");
    expect(read({ ...mask, width: 512, height: 256 }).settings).toMatchObject({ Size: "512x256", "Masked area padding": "8" });
  });

  it("counts the pictures of a grid", () => {
    expect(read({}, { count: 4 }).settings).toMatchObject({ "Batch size": "4" });
  });
});
