import { describe, expect, it } from "vitest";
import { openWorkflow } from "../../src/generate/open-workflow.js";
import type { RunRequest } from "../../src/generate/run-request.js";
import { resize } from "../../src/image/resize.js";
import { inspect } from "../../src/inspect/inspect.js";
import { device, input } from "../cli/pictures.js";
import { checkpoint } from "../helpers/fixtures.js";

const picture = resize(input, 64, 64);

/** The result of a run of a tiny checkpoint. */
async function generated(name: string, request: RunRequest) {
  await using workflow = await openWorkflow({ model: checkpoint(name), device });
  const run = workflow.run({ prompt: "a fox", seed: 1, width: 32, height: 32, ...request });
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}

describe("generate, with a checkpoint whose denoiser is a transformer", () => {
  it("takes the steps and the guidance that the model card advises", async () => {
    const { settings, pictures } = await generated("z-image-mini", {});
    expect(settings).toMatchObject({ numInferenceSteps: 8, guidanceScale: 0 });
    expect(pictures.map(({ image }) => [image.width, image.height])).toEqual([[32, 32]]);
    expect((await generated("flux2-klein-mini", {})).settings).toMatchObject({ numInferenceSteps: 4, guidanceScale: 1 });
  });

  it("starts from a picture with Z-Image, and takes the wanted share of the steps", async () => {
    const { pictures } = await generated("z-image-mini", { image: picture, strength: 0.5, numInferenceSteps: 4, width: undefined });
    expect(pictures[0]?.image.width).toBe(64);
  });

  it("shows klein several pictures, and makes one as large as the first", async () => {
    const run = { numInferenceSteps: 2, width: undefined, height: undefined };
    const one = await generated("flux2-klein-mini", { ...run, image: picture });
    const two = await generated("flux2-klein-mini", { ...run, image: [picture, resize(input, 64, 80)] });
    expect(two.pictures[0]?.image.width).toBe(64);
    expect(two.pictures[0]?.image.data).not.toEqual(one.pictures[0]?.image.data);
  });

  it("refuses by name what the pipelines do not have", async () => {
    for (const [name, option, value] of [
      ["z-image-mini", "eta", 0.5],
      ["z-image-mini", "promptSyntax", "a1111"],
      ["flux2-klein-mini", "negativePrompt", "a cat"],
      ["flux2-klein-mini", "strength", 0.5],
    ] as const) {
      const request = { prompt: "(a fox)", ...(option === "strength" && { image: picture }), [option]: value };
      await expect(generated(name, request)).rejects.toMatchObject({ name: "ArgumentError", argument: option });
    }
  });

  it("refuses several pictures where one is started from", async () => {
    await expect(generated("z-image-mini", { image: [picture, picture] })).rejects.toMatchObject({ argument: "image" });
  });
});

describe("inspect", () => {
  it.each([
    ["z-image-mini", "Z-Image"],
    ["flux2-klein-mini", "FLUX.2 klein"],
  ])("names the family of %s", async (name, family) => {
    expect(await inspect(checkpoint(name))).toMatchObject({ kind: "checkpoint", family, size: 1024, predictionType: "flow_prediction" });
  });
});
