import { describe, expect, it } from "vitest";
import { EMPTY_FIELDS } from "../../src/logic/fields.js";
import { againOf, FieldProblem, requestOf } from "../../src/logic/request.js";
import { DDPM, INPAINTING, job, REFINER, SD } from "./samples.js";

const FIELDS = { ...EMPTY_FIELDS, prompt: "a fox" };
const START = { width: 512, height: 512, dataUrl: "data:image/png;base64,AA==" };

/** The field that a problem is about. */
function problemIn(make: () => unknown): string | undefined {
  try {
    make();
  } catch (error) {
    if (error instanceof FieldProblem) return error.param;
    throw error;
  }
  return undefined;
}

describe("the request of a form", () => {
  it("leaves empty fields to the model", () => {
    expect(requestOf(FIELDS, SD)).toEqual({ prompt: "a fox", numImagesPerPrompt: 1, format: "png", previewEvery: 5 });
  });

  it("has the quality of a format that has one", () => {
    expect(requestOf({ ...FIELDS, format: "jpeg", quality: "70" }, SD)).toMatchObject({ format: "jpeg", quality: 70 });
    expect(requestOf({ ...FIELDS, format: "png", quality: "70" }, SD)).not.toHaveProperty("quality");
  });

  it("has a ControlNet with its picture, if the model takes one", () => {
    const starts = { ...SD.defaults?.starts, "controlnet-noise": { steps: 50, guidance: 7.5 } };
    const model = { ...SD, defaults: { takesPrompt: true, starts } };
    const fields = { ...FIELDS, controlnet: "canny" };
    const controlImage = "data:image/png;base64,BB==";
    const control = { controlnet: "canny", controlImage, controlnetConditioningScale: 1 };
    expect(requestOf(fields, model, undefined, controlImage)).toMatchObject(control);
    expect(requestOf({ ...fields, controlnetConditioningScale: "0.5" }, model, START, controlImage)).toMatchObject({
      ...control,
      controlnetConditioningScale: 0.5,
      image: START.dataUrl,
    });
    expect(problemIn(() => requestOf(fields, model))).toBe("controlImage");
    expect(requestOf(fields, SD, undefined, controlImage)).not.toHaveProperty("controlnet");
  });

  it("has every field that is filled in, with numbers as numbers", () => {
    const fields = {
      ...FIELDS,
      model: "sd",
      negativePrompt: "snow",
      width: "512",
      height: "640",
      numInferenceSteps: "12",
      guidanceScale: "0",
      seed: "7",
      numImagesPerPrompt: "3",
      scheduler: "euler-a",
      format: "webp" as const,
      loras: [
        { name: "fox", weight: "0.5" },
        { name: "ink", weight: "", unetWeight: 0.2 },
      ],
    };
    expect(requestOf(fields, SD)).toEqual({
      model: "sd",
      prompt: "a fox",
      negativePrompt: "snow",
      width: 512,
      height: 640,
      numInferenceSteps: 12,
      guidanceScale: 0,
      seed: 7,
      numImagesPerPrompt: 3,
      scheduler: "euler-a",
      format: "webp",
      loras: [
        { name: "fox", weight: 0.5 },
        { name: "ink", weight: 1, unetWeight: 0.2 },
      ],
      previewEvery: 2,
    });
  });

  it("has large seeds as texts, which lose no digits", () => {
    expect(requestOf({ ...FIELDS, seed: "18446744073709551615" }, SD).seed).toBe("18446744073709551615");
    expect(problemIn(() => requestOf({ ...FIELDS, seed: "seven" }, SD))).toBe("seed");
  });

  it("has no prompt, no guidance and no LoRAs for a model that takes none, whatever the form still has", () => {
    const fields = { ...FIELDS, negativePrompt: "x", guidanceScale: "5", loras: [{ name: "fox", weight: "1" }] };
    expect(requestOf(fields, DDPM, START)).toEqual({ numImagesPerPrompt: 1, format: "png", previewEvery: 100 });
  });

  it("starts from a picture with its mask, and a strength only then", () => {
    const fields = { ...FIELDS, strength: "0.6" };
    expect(requestOf(fields, SD)).not.toHaveProperty("strength");
    expect(requestOf(fields, SD, START)).toMatchObject({ image: START.dataUrl, strength: 0.6, width: 512, height: 512 });
    expect(requestOf(fields, SD, START)).not.toHaveProperty("maskImage");
    expect(requestOf(fields, SD, { ...START, maskDataUrl: "data:mask" })).toMatchObject({ maskImage: "data:mask", previewEvery: 4 });
  });

  it("asks for a size that suits the model when the picture's does not, unless the form has one", () => {
    const photo = { ...START, width: 4000, height: 3000 };
    expect(requestOf(FIELDS, SD, photo)).toMatchObject({ width: 592, height: 448 });
    expect(requestOf({ ...FIELDS, width: "640", height: "480" }, SD, photo)).toMatchObject({ width: 640, height: 480 });
  });

  it("names the field that is missing", () => {
    expect(problemIn(() => requestOf({ ...FIELDS, prompt: "  " }, SD))).toBe("prompt");
    expect(problemIn(() => requestOf(FIELDS, REFINER))).toBe("image");
    expect(problemIn(() => requestOf(FIELDS, INPAINTING, START))).toBe("maskImage");
    expect(problemIn(() => requestOf({ ...FIELDS, guidanceScale: "much" }, SD))).toBe("guidanceScale");
    expect(problemIn(() => requestOf({ ...FIELDS, loras: [{ name: "fox", weight: "x" }] }, SD))).toBe("loras");
  });

  it("gives a model that is not known yet everything that the form has", () => {
    expect(requestOf({ ...FIELDS, guidanceScale: "2" }, undefined, START)).toMatchObject({ guidanceScale: 2, image: START.dataUrl });
  });

  it("keeps options of a job of another client", () => {
    expect(requestOf({ ...FIELDS, others: { clipSkip: 1 } }, SD)).toMatchObject({ prompt: "a fox", clipSkip: 1 });
  });
});

it("makes a job again with everything but its seed", () => {
  const { request, ...before } = job({ output: { format: "jpeg", quality: 80 } });
  const again = againOf({ ...before, request: { ...request, seed: 1, clipSkip: 2, numInferenceSteps: 30 } }, 5);
  expect(again).toEqual({
    model: "sd",
    prompt: "a fox",
    numImagesPerPrompt: 2,
    numInferenceSteps: 30,
    clipSkip: 2,
    seed: 5,
    format: "jpeg",
    quality: 80,
    previewEvery: 3,
  });
});
