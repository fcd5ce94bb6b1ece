import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/index.js";
import { Picture } from "../../src/image/picture.js";
import { inspect } from "../../src/inspect/inspect.js";
import { checkpoint } from "../helpers/fixtures.js";

const picture = new Picture(40, 32, new Uint8Array(40 * 32 * 3).fill(90));
const mask = new Picture(
  40,
  32,
  Uint8Array.from({ length: 40 * 32 * 3 }, (_, i) => (i > 1900 ? 255 : 0)),
);

describe("generate with FLUX.1, Chroma and Stable Diffusion 3", () => {
  it.each([
    ["flux-schnell-mini", 4, 0],
    ["flux-dev-mini", 28, 3.5],
    ["chroma-mini", 40, 3],
    ["sd35-mini", 28, 7],
  ] as const)("takes the steps and guidance that the model card of a checkpoint like it advises: %s", async (model, steps, guidance) => {
    const { settings, pictures } = await generate({ model: checkpoint(model), prompt: "a fox", width: 16, height: 16, seed: 1 });
    expect([settings.numInferenceSteps, settings.guidanceScale]).toEqual([steps, guidance]);
    expect(pictures[0]?.image.width).toBe(16);
  });

  it.each(["flux-dev-mini", "chroma-mini", "sd3-mini"])("starts from a picture: %s", async (model) => {
    const common = { model: checkpoint(model), prompt: "a fox", numInferenceSteps: 2, seed: 1, image: picture };
    const { pictures } = await generate({ ...common, width: 24, height: 32, strength: 0.5 });
    expect([pictures[0]?.image.width, pictures[0]?.image.height]).toEqual([24, 32]);
  });

  it.each(["flux-dev-mini", "sd3-mini"])("repaints a part of a picture: %s", async (model) => {
    const common = { model: checkpoint(model), prompt: "a fox", numInferenceSteps: 2, seed: 1 };
    const { pictures } = await generate({ ...common, image: picture, maskImage: mask, strength: 1 });
    expect([pictures[0]?.image.width, pictures[0]?.image.height]).toEqual([40, 32]);
  });

  it("shows the family of a checkpoint", async () => {
    const families = await Promise.all(
      ["flux-dev-mini", "chroma-mini", "sd35-mini"].map(async (name) => (await inspect(checkpoint(name))) as { family?: string }),
    );
    expect(families.map(({ family }) => family)).toEqual(["FLUX.1", "Chroma", "Stable Diffusion 3"]);
  });
});
