import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/generate.js";
import { DPMSolverMultistepScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline, scheduleSigmas } from "../../src/index.js";
import { input, opened } from "../cli/pictures.js";
import { checkpoint } from "../helpers/fixtures.js";

const device = "cpu";
const model = checkpoint("sd1-mini");
const REQUEST = { prompt: "a red fox", numInferenceSteps: 5, seed: 7, width: 32, height: 16 } as const;

describe("schedule", () => {
  it("runs along the levels of its name, and the settings say so", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device, scheduler: "euler" }));
    const sigmas = scheduleSigmas("align-your-steps", pipe.scheduler, { steps: 5 });
    const { numInferenceSteps: _, ...rest } = REQUEST;
    const expected = await pipe.generate({ ...rest, sigmas });
    const { pictures, settings } = await generate({ ...REQUEST, model, device, scheduler: "euler", schedule: "align-your-steps" });
    expect(pictures[0]?.image).toEqual(expected.images[0]);
    expect(settings).toMatchObject({ schedule: "align-your-steps", numInferenceSteps: 5, sigmas: undefined });
    expect(pictures[0]?.text.parameters).toMatch(/Steps: 5, Sampler: Euler, Schedule type: Align Your Steps,/);
  });

  it("has other levels of Align Your Steps for XL", async () => {
    const xl = checkpoint("sdxl-base-mini");
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device, scheduler: "euler" }));
    const [own, other] = [true, false].map((isXL) => scheduleSigmas("align-your-steps", pipe.scheduler, { steps: 5, isXL }));
    const { numInferenceSteps: _, ...rest } = REQUEST;
    const made = async (more: object) => (await generate({ ...rest, model: xl, device, scheduler: "euler", ...more })).pictures[0]?.image;
    const named = await made({ numInferenceSteps: 5, schedule: "align-your-steps" });
    expect(named).toEqual(await made({ sigmas: own }));
    expect(named).not.toEqual(await made({ sigmas: other }));
  });

  it("works with a picture to start from, and in the second pass of hires", async () => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(model, { device, scheduler: "dpm++-2m" }));
    expect(pipe.scheduler).toBeInstanceOf(DPMSolverMultistepScheduler);
    const sigmas = scheduleSigmas("kl-optimal", pipe.scheduler, { steps: 10 });
    const image = new Blob([new Uint8Array(await input.encode("png"))]);
    const expected = await pipe.generate({ prompt: "a red fox", seed: 7, image: input, strength: 0.5, sigmas });
    const kl = { prompt: "a red fox", seed: 7, model, device, scheduler: "dpm++-2m", schedule: "kl-optimal", image } as const;
    expect((await generate({ ...kl, numInferenceSteps: 10, strength: 0.5 })).pictures[0]?.image).toEqual(expected.images[0]);
    const hires = await generate({ ...kl, hires: { scale: 1, steps: 5, strength: 0.5 } });
    expect(hires.pictures[0]?.image).toEqual(expected.images[0]);
  });

  it("is set in the config of schedulers that take no levels", async () => {
    const request = { ...REQUEST, model, device, scheduler: "unipc" } as const;
    const expected = await generate({ ...request, schedulerConfig: { useKarrasSigmas: true } });
    expect((await generate({ ...request, schedule: "karras" })).pictures[0]?.image).toEqual(expected.pictures[0]?.image);
  });

  it("takes as many steps as its levels have", async () => {
    const steps: number[] = [];
    const request = { ...REQUEST, numInferenceSteps: 30, model, device, scheduler: "euler", schedule: "ddim" } as const;
    const { settings } = await generate(request, { onStep: ({ done }) => void steps.push(done) });
    expect([settings.numInferenceSteps, steps.length]).toEqual([31, 31]);
  });

  it("refuses what does not go with it, by name", async () => {
    const failing = (more: object) => expect(generate({ ...REQUEST, model, device, schedule: "turbo", ...more })).rejects;
    await failing({ scheduler: "ddim" }).toThrow("DDIMScheduler cannot take the noise levels of schedule turbo");
    await failing({ scheduler: "ddim" }).toMatchObject({ argument: "schedule", hint: /^scheduler can be euler, euler-a, dpm\+\+-2m/ });
    await failing({ scheduler: "dpm2", schedule: "kl-optimal" }).toMatchObject({ argument: "schedule" });
    await failing({ scheduler: "euler", timestepSpacing: "trailing" }).toThrow("schedule and timestepSpacing cannot be combined");
    await failing({ scheduler: "euler", sigmas: [14, 1, 0] }).toThrow("schedule and sigmas cannot be combined");
    await failing({ schedule: "Karas" }).toMatchObject({ argument: "schedule", message: /expected .*karras/ });
  });
});
