import { describe, expect, it } from "vitest";
import { generate, openWorkflow, type RunRequest } from "../../src/generate/index.js";
import { cfgCutoff } from "../../src/pipelines/cfg-cutoff.js";
import type { StepEnd } from "../../src/pipelines/shared/steering.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { opened } from "../cli/pictures.js";
import { checkpoint } from "../helpers/fixtures.js";

const device = "cpu";
const model = checkpoint("sd1-mini");
const RUN = { prompt: "a red fox", numInferenceSteps: 4, seed: 7 } satisfies RunRequest;
const make = async (request: RunRequest, options = {}) => (await generate({ model, device, ...RUN, ...request }, options)).pictures[0];
const pipeline = () => opened(StableDiffusionPipeline.fromPretrained(model, { device }));

describe("a guidance scale for each step", () => {
  it("acts as in the pipelines, and is in the settings", async () => {
    const pipe = await pipeline();
    pipe.scheduler = "ddim";
    const guidanceScale = [7, 5, 1, 3];
    const made = await make({ guidanceScale, scheduler: "ddim" });
    expect(made?.image).toEqual((await pipe.generate({ ...RUN, guidanceScale })).images[0]);
    expect(made?.text.parameters).toMatch(/CFG scale: 7, Guidance scales: 7 5 1 3, /);
    expect(made?.image).not.toEqual((await make({ guidanceScale: 7, scheduler: "ddim" }))?.image);
  });

  it("acts in both passes of hires, if both have as many steps", async () => {
    const [first, other] = [
      [7, 5, 1, 3],
      [7, 5, 1, 9],
    ];
    const hires = { scale: 1.5 };
    const pictures = [await make({ guidanceScale: first, hires }), await make({ guidanceScale: other, hires })];
    expect(pictures[0]?.image).not.toEqual(pictures[1]?.image);
    await expect(make({ guidanceScale: first, hires: { scale: 1.5, steps: 2 } })).rejects.toThrow(
      "guidanceScale is a list of 4, and hires.steps is 2; expected one number for each step of both passes",
    );
  });

  it.each([
    ["another number of steps", { guidanceScale: [7, 5] }, /^guidanceScale is a list of 2 for a run of \d+ steps/],
    ["a negative number", { guidanceScale: [7, -5] }, /^guidanceScale is \[7, -5\]/],
    ["no number", { guidanceScale: [] }, /^guidanceScale is \[\]/],
  ])("is refused with %s", async (_, request, message) => {
    await expect(make(request)).rejects.toThrow(message);
  });

  it("is refused with a refiner", async () => {
    const request = { model: checkpoint("sdxl-base-mini"), refiner: checkpoint("sdxl-refiner-mini"), ...RUN, guidanceScale: [1, 2, 3, 4] };
    await expect(generate(request)).rejects.toThrow("guidanceScale is a list, and the base and its refiner share the steps");
  });
});

describe("onStepEnd", () => {
  it("changes a run as it changes the pipeline's", async () => {
    const pipe = await pipeline();
    const brighter = ({ latents }: StepEnd) => ({ latents: latents.mul(1.1) });
    const onStepEnd = [brighter, cfgCutoff({ cutoffStepRatio: 0.5 })];
    expect((await make({}, { onStepEnd }))?.image).toEqual((await pipe.generate({ ...RUN, onStepEnd })).images[0]);
  });

  it("ends each picture early, in an open workflow, too", async () => {
    await using workflow = await openWorkflow({ model, device });
    const seen: string[] = [];
    const onStepEnd = (step: StepEnd) => {
      if (step.index === 1) step.interrupt();
    };
    for await (const event of workflow.run({ ...RUN, numImagesPerPrompt: 2, scheduler: "euler" }, { onStepEnd })) {
      seen.push(event.kind === "step" ? `${event.index}: ${event.done}` : event.kind);
    }
    expect(seen).toEqual(["start", "0: 1", "0: 2", "picture", "1: 1", "1: 2", "picture"]);
  });

  it("is called in both passes of hires", async () => {
    const calls: number[] = [];
    const onStepEnd = ({ index }: StepEnd) => void calls.push(index);
    await make({ hires: { scale: 1.5, steps: 1 }, scheduler: "euler" }, { onStepEnd });
    expect(calls).toEqual([0, 1, 2, 3, 0]);
  });

  it("is refused for checkpoints without prompts, and in a request", async () => {
    const pixels = generate({ model: checkpoint("ddpm-mini"), numInferenceSteps: 1, device }, { onStepEnd: () => undefined });
    await expect(pixels).rejects.toThrow(/^onStepEnd was given; DDPM makes pictures without a prompt/);
    await expect(generate({ ...RUN, onStepEnd: () => undefined } as never)).rejects.toMatchObject({
      message: "generate has no option onStepEnd",
      hint: "it is an option of the call: generate(request, { onStepEnd })",
    });
    await expect(make({}, { onStepEnd: 5 })).rejects.toThrow(/onStepEnd is 5 .*; expected a function/);
  });
});
