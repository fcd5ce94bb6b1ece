import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/generate.js";
import { Picture } from "../../src/image/picture.js";
import { checkpoint } from "../helpers/fixtures.js";

const COMMON = { prompt: "a red fox", numInferenceSteps: 2, width: 32, height: 24, seed: 1 } as const;
const grey = new Picture(40, 24, new Uint8Array(40 * 24 * 3).fill(90));

describe("generate with Qwen-Image", () => {
  it("makes a picture of a prompt; the guidance scale is that of true guidance, with an empty negative prompt", async () => {
    const model = checkpoint("qwen-image-mini");
    const [guided, plain, negative] = await Promise.all(
      [{}, { guidanceScale: 1 }, { negativePrompt: "blurry" }].map((options) => generate({ ...COMMON, model, ...options })),
    );
    const [first, second, third] = [guided, plain, negative].map((result) => result?.pictures[0]?.image);
    expect([first?.width, first?.height]).toEqual([32, 24]);
    expect(first?.data).not.toEqual(second?.data);
    expect(first?.data).not.toEqual(third?.data);
  });

  it("starts from a picture, in its size", async () => {
    const { width: _, height: __, ...request } = COMMON;
    const { pictures } = await generate({ ...request, model: checkpoint("qwen-image-mini"), image: grey, strength: 0.9 });
    expect([pictures[0]?.image.width, pictures[0]?.image.height]).toEqual([40, 24]);
  });

  it("changes pictures, and joins several", async () => {
    const model = checkpoint("qwen-image-edit-mini");
    const { pictures } = await generate({ ...COMMON, width: 32, height: 32, guidanceScale: 1, model, image: [grey, grey] });
    expect([pictures[0]?.image.width, pictures[0]?.image.height]).toEqual([32, 32]);
  });
});
