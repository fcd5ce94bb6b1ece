import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/generate.js";
import { ChromaPipeline, UniPCMultistepScheduler } from "../../src/index.js";
import { device } from "../cli/pictures.js";
import { checkpoint } from "../helpers/fixtures.js";

const CALL = { prompt: "a fox", width: 32, height: 32, seed: 1, numInferenceSteps: 4 } as const;
const FLOW = { useFlowSigmas: true, predictionType: "flow_prediction" } as const;

describe("a solver on a checkpoint whose config asks for beta sigmas", () => {
  it.each(["unipc", "dpm++-2m", "deis"])("has even noise levels if it is named: %s", async (scheduler) => {
    const { pictures, settings } = await generate({ ...CALL, model: checkpoint("chroma-mini"), device, scheduler });
    expect(settings.schedulerConfig).toMatchObject({ useBetaSigmas: false, useFlowSigmas: true });
    expect(new Set(pictures[0]?.image.data).size).toBeGreaterThan(20);
  });

  it("is refused before the run if its levels would be above 1, where diffusers makes a picture of NaN", async () => {
    await using pipe = await ChromaPipeline.fromPretrained(checkpoint("chroma-mini"), { device });
    pipe.scheduler = UniPCMultistepScheduler.fromConfig(pipe.scheduler.config, FLOW);
    await expect(pipe.generate(CALL)).rejects.toMatchObject({
      name: "ArgumentError",
      argument: "scheduler",
      message: expect.stringMatching(
        /^UniPCMultistepScheduler has noise levels from \d+, as useBetaSigmas makes them; those of a flow are at most 1/,
      ),
    });
    pipe.scheduler = UniPCMultistepScheduler.fromConfig(pipe.scheduler.config, { ...FLOW, useBetaSigmas: false });
    expect((await pipe.generate(CALL)).images).toHaveLength(1);
  });

  it("has no shift by the size, so that Heun and SA are refused on checkpoints that need it, as diffusers fails", async () => {
    for (const scheduler of ["heun", "sa-solver"]) {
      const made = generate({ ...CALL, model: checkpoint("flux-dev-mini"), device, scheduler });
      await expect(made).rejects.toMatchObject({
        argument: "scheduler",
        message: expect.stringMatching(/cannot shift its noise levels by the size/),
      });
    }
  });
});
