import { describe, expect, it } from "vitest";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { EMOJI } from "./emoji.js";

describe("a fast pipeline", () => {
  it("makes a picture that is close to the exact one, but not the same", async () => {
    const make = async (precision?: "fast") => {
      await using pipe = await DiffusionPipeline.fromPretrained(EMOJI, { device: "cpu", precision });
      return (await pipe.generate({ prompt: "a red fox", seed: 1, numInferenceSteps: 20, guidanceScale: 4, outputType: "tensor" })).images;
    };
    const [exact, fast] = [await make(), await make("fast")];
    const squares = fast.sub(exact).data.reduce((sum, difference) => sum + difference ** 2, 0);
    const psnr = -10 * Math.log10(squares / exact.size);
    expect(psnr).toBeGreaterThan(35);
    expect(psnr).toBeLessThan(60);
  });
});
