import { describe, expect, it } from "vitest";
import { familyOf } from "../../src/generate/families.js";
import { generate, openWorkflow } from "../../src/generate/index.js";
import * as darkroom from "../../src/index.js";
import { ConsistencyModelPipeline } from "../../src/pipelines/consistency-model.js";
import { StableDiffusionPAGPipeline } from "../../src/pipelines/stable-diffusion-pag.js";
import { StableDiffusionXLPAGImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-pag.js";
import { input, opened } from "../cli/pictures.js";
import { checkpointOf } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";

const device = "cpu" as const;
const RUN = { prompt: "a red fox", numInferenceSteps: 3, seed: 7 };
const index = (className: string) => ({ className, components: new Map(), options: {} }) as never;

/** Classes that `model_index.json` can name: those that open a folder by themselves. */
const CLASSES = Object.values(darkroom).flatMap((value) => {
  const { className } = value as { readonly className?: unknown };
  return typeof value === "function" && "open" in value && typeof className === "string" ? [className] : [];
});

describe("generate", () => {
  it.each(CLASSES.filter((className) => !className.startsWith("AnimateDiff")))("knows the family of a %s", (className) => {
    expect(familyOf("folder", index(className)).name).toMatch(/./);
  });

  it("knows a class of each kind", () => {
    expect(CLASSES).toEqual(expect.arrayContaining(["StableDiffusionXLControlNetPAGPipeline", "LatentConsistencyModelImg2ImgPipeline"]));
  });

  it("says what to do with a folder for videos", () => {
    expect(() => familyOf("folder", index("AnimateDiffPipeline"))).toThrow("which makes videos");
  });
});

describe("a checkpoint of a class with perturbed-attention guidance", () => {
  it("is guided by it, unless the request says otherwise", async () => {
    const model = checkpointOf("StableDiffusionPAGPipeline", "sd1-mini", {});
    const pipe = await opened(StableDiffusionPAGPipeline.fromPretrained(model, { device }));
    await using workflow = await openWorkflow({ model, device });
    const make = async (request: object) => {
      for await (const event of workflow.run({ ...RUN, ...request })) if (event.kind === "picture") return event.picture;
      return undefined;
    };
    const made = await make({});
    expect(made?.image).toEqual((await pipe.generate(RUN)).images[0]);
    expect(made?.text.parameters).toContain("PAG scale: 3");
    expect((await make({ pagScale: 0 }))?.image).toEqual((await pipe.generate({ ...RUN, pagScale: 0 })).images[0]);
  });

  it("starts from pictures, too", async () => {
    const model = checkpointOf("StableDiffusionXLPAGImg2ImgPipeline", "sdxl-base-mini", {});
    const pipe = await opened(StableDiffusionXLPAGImg2ImgPipeline.fromPretrained(model, { device }));
    const { pictures } = await generate({ model, device, ...RUN, image: input, strength: 0.7 });
    expect(pictures[0]?.image).toEqual((await pipe.generate({ ...RUN, image: input, strength: 0.7 })).images[0]);
  });
});

describe("a checkpoint with a ControlNet", () => {
  it("says that it is not used, unless the request names it", async () => {
    const warnings = collectWarnings();
    const model = checkpointOf("StableDiffusionControlNetPAGPipeline", "sd1-mini", { controlnet: "controlnet-mini" });
    await generate({ model, device, ...RUN });
    expect(warnings.filter((text) => text.includes("which is not used"))).toEqual([
      expect.stringMatching(/has a ControlNet, which is not used; to use it, add controlnet: ".*\/controlnet" and controlImage$/),
    ]);
    warnings.length = 0;
    await generate({ model, device, ...RUN, controlnet: `${model}/controlnet`, controlImage: input });
    expect(warnings).toEqual([]);
  });
});

describe("a latent consistency model", () => {
  const folder = () => checkpointOf("LatentConsistencyModelImg2ImgPipeline", "sd1-mini", { unet: "options/unet-lcm" });

  it("takes FreeU, perturbed-attention guidance and IP-Adapters", async () => {
    const ipAdapters = [{ source: checkpoint("ip-adapter-mini"), subfolder: "models", weightName: "ip-adapter_lcm.safetensors" }];
    await using workflow = await openWorkflow({ model: folder(), device, ipAdapters });
    const common = { ...RUN, ipAdapterImage: input, scheduler: "lcm" };
    const made = [];
    for (const more of [{}, { freeU: { s1: 0.9, s2: 0.2, b1: 1.5, b2: 1.6 } }, { pagScale: 3 }, { ipAdapterScale: 0 }, { image: input }]) {
      for await (const event of workflow.run({ ...common, ...more })) if (event.kind === "picture") made.push(event.picture.image);
    }
    expect(new Set(made.map(({ data }) => String(data))).size).toBe(5);
  });

  it("takes the steps of its distillation as a setting of its scheduler", async () => {
    const request = { model: folder(), device, ...RUN, scheduler: "lcm" };
    const short = await generate({ ...request, schedulerConfig: { originalInferenceSteps: 20 } });
    expect(short.pictures[0]?.image).not.toEqual((await generate(request)).pictures[0]?.image);
    await expect(generate({ ...request, originalInferenceSteps: 20 } as never)).rejects.toMatchObject({
      hint: "it is a setting of the scheduler: schedulerConfig: { originalInferenceSteps: 50 }",
    });
  });
});

describe("the classes of a consistency model", () => {
  const model = checkpoint("consistency-mini");
  const run = { model, device, seed: 3, numImagesPerPrompt: 2 };

  it("are one for all pictures, or one for each", async () => {
    const pipe = await opened(ConsistencyModelPipeline.fromPretrained(model, { device }));
    const alone = async (classLabels: number | undefined, seed: number) => (await pipe.generate({ classLabels, seed })).images[0];
    const make = async (request: object) => (await generate({ ...run, ...request })).pictures;
    const same = await make({ classLabels: 7 });
    expect(same.map(({ image }) => image)).toEqual([await alone(7, 3), await alone(7, 4)]);
    const each = await make({ classLabels: [2, 7] });
    expect(each.map(({ image }) => image)).toEqual([await alone(2, 3), await alone(7, 4)]);
    expect(each.map(({ text }) => /Class: \d/.exec(text.parameters ?? "")?.[0])).toEqual(["Class: 2", "Class: 7"]);
    expect((await make({})).map(({ image }) => image)).toEqual([await alone(undefined, 3), await alone(undefined, 4)]);
  });

  it("go with timesteps", async () => {
    const pipe = await opened(ConsistencyModelPipeline.fromPretrained(model, { device }));
    const request = { classLabels: 1, timesteps: [22, 0], seed: 3 };
    expect((await generate({ model, device, ...request })).pictures[0]?.image).toEqual((await pipe.generate(request)).images[0]);
  });

  it.each([
    ["another number of classes than pictures", { classLabels: [1] }, /^classLabels is a list of 1, and numImagesPerPrompt is 2/],
    ["a class that it does not have", { classLabels: 10 }, /^class 10 is outside the 10 classes/],
    ["a class that is no number", { classLabels: "fox" }, /^classLabels is "fox"/],
    [
      "a checkpoint with a prompt",
      { model: checkpoint("sd1-mini"), prompt: "a", classLabels: 1 },
      /^classLabels has no effect on sd1-mini/,
    ],
    [
      "a checkpoint of pixels without classes",
      { model: checkpoint("ddpm-mini"), classLabels: 1 },
      /^classLabels has no effect on ddpm-mini/,
    ],
    ["timesteps of other checkpoints", { model: checkpoint("ddpm-mini"), timesteps: [9, 0] }, /^timesteps has no effect on ddpm-mini/],
  ])("are refused with %s", async (_, request, message) => {
    await expect(generate({ ...run, ...request } as never)).rejects.toThrow(message);
  });
});
