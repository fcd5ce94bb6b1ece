import { describe, expect, it } from "vitest";
import { AutoencoderTiny, FluxPipeline, StableDiffusion3Pipeline } from "../../src/index.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const device = "cpu";
const CALL = { prompt: "a red fox", numInferenceSteps: 2, height: 32, width: 32, maxSequenceLength: 32, seed: 3 } as const;
const tiny = () => AutoencoderTiny.fromPretrained(checkpoint("options/taef1-mini"), { device });

describe("a tiny autoencoder of 16 channels, such as taef1 and taesd3", () => {
  it.each(["flux-dev-mini", "sd3-mini"])("decodes a pipeline's latents as in Python: %s", async (name) => {
    const { tensor } = readFixture("options", "taef1-mini");
    await using vae = await tiny();
    const Class = name === "sd3-mini" ? StableDiffusion3Pipeline : FluxPipeline;
    await using pipe = await Class.fromPretrained(checkpoint(name), { device, vae });
    const { images } = await pipe.generate({ ...CALL, outputType: "tensor" });
    expect(largestDifference(images, tensor(`picture.${name}`) as Tensor)).toBeLessThan(1 / 255);
  });

  it("decodes previews, whose last one is the picture", async () => {
    await using vae = await tiny();
    await using pipe = await FluxPipeline.fromPretrained(checkpoint("flux-dev-mini"), { device, vae });
    const run = pipe.steps({ ...CALL, outputType: "image" });
    const previews = [];
    for await (const step of run) previews.push((await step.preview())[0]);
    const { images } = await run.result;
    expect(previews.map((each) => [each?.width, each?.height])).toEqual([
      [32, 32],
      [32, 32],
    ]);
    const [last, made] = [previews.at(-1)?.data ?? new Uint8Array(), images[0]?.data ?? new Uint8Array()];
    expect(Math.max(...last.map((value, i) => Math.abs(value - (made[i] ?? 0))))).toBeLessThanOrEqual(1);
  });
});
