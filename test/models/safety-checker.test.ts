import { describe, expect, it } from "vitest";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { Picture } from "../../src/image/picture.js";
import { StableDiffusionSafetyChecker } from "../../src/models/safety-checker.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const { meta, tensor } = readFixture<{ checkpoint: string; has_nsfw_concepts: boolean[]; pictures: number }>("options", "safety-mini");
const open = () => StableDiffusionSafetyChecker.fromPretrained(checkpoint(meta.checkpoint), { device: "cpu" });

describe("StableDiffusionSafetyChecker", () => {
  it("finds the same pictures as diffusers, and reads the tensor names of hub files", async () => {
    await using checker = await open();
    const { hasNsfwConcepts } = await checker.forward(tensor("clip_input") as Tensor);
    expect(hasNsfwConcepts).toEqual(meta.has_nsfw_concepts);
  });

  it("gives a score for each concept", async () => {
    await using checker = await open();
    const { conceptScores, specialCareScores } = await checker.forward(tensor("clip_input") as Tensor);
    expect(conceptScores.map((scores) => scores.length)).toEqual(meta.has_nsfw_concepts.map(() => 17));
    expect(specialCareScores.map((scores) => scores.length)).toEqual(meta.has_nsfw_concepts.map(() => 3));
  });

  it("uses the checkpoint's image processor", async () => {
    const processor = await CLIPImageProcessor.fromPretrained(checkpoint(meta.checkpoint));
    const images = Array.from({ length: meta.pictures }, (_, i) => {
      const { shape, data } = tensor(`picture.${i}`);
      return new Picture(shape[1] ?? 0, shape[0] ?? 0, data as Uint8Array);
    });
    expectClose(processor.preprocess(images), tensor("clip_input").slice(0, meta.pictures), 0);
  });
});
