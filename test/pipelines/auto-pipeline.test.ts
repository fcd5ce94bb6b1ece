import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  AutoPipelineForImage2Image,
  AutoPipelineForInpainting,
  AutoPipelineForText2Image,
  ControlNetModel,
  ControlNetUnionModel,
  DDPMPipeline,
  Tensor,
} from "../../src/index.js";
import { classNameFor, TASKS } from "../../src/pipelines/auto-pipeline.js";
import { checkpoint } from "../helpers/fixtures.js";

const AUTO = { noise: AutoPipelineForText2Image, image: AutoPipelineForImage2Image, mask: AutoPipelineForInpainting } as const;

/** What diffusers chooses: the AutoPipeline, the method, the class of the checkpoint or pipeline, the given networks, the chosen class. */
const CASES = JSON.parse(readFileSync(new URL("../fixtures/saving/auto-pipelines.json", import.meta.url), "utf8")) as readonly (readonly [
  auto: string,
  method: "fromPretrained" | "fromPipe",
  className: string,
  nets: "controlnet" | "union" | "null" | null,
  expected: string,
])[];

describe("AutoPipeline", () => {
  it("chooses the classes that diffusers chooses", () => {
    const nets = { controlnet: { className: "ControlNetModel" }, union: { className: "ControlNetUnionModel" }, null: null } as const;
    for (const [auto, method, className, given, expected] of CASES) {
      const task = Object.values(TASKS).find((each) => each.className === auto) as (typeof TASKS)["noise"];
      const parts = given === null ? {} : { controlnet: nets[given] };
      expect(classNameFor(task, className, parts), `${auto}.${method} ${className} ${given}`).toBe(expected);
    }
    expect(CASES.length).toBeGreaterThan(150);
  });

  it("also finds what diffusers' names of classes hide from it", () => {
    const controlnet = [{ className: "ControlNetUnionModel" }];
    expect(classNameFor(TASKS.mask, "StableDiffusionXLImg2ImgPipeline", { controlnet })).toBe(
      "StableDiffusionXLControlNetUnionInpaintPipeline",
    );
    const plain = { controlnet: null };
    expect(classNameFor(TASKS.noise, "StableDiffusionXLControlNetUnionPipeline", plain)).toBe("StableDiffusionXLPipeline");
    expect(() => classNameFor(TASKS.noise, "StableDiffusionPipeline", { controlnet })).toThrow(
      "no text-to-image pipeline with a ControlNet Union for a StableDiffusionPipeline",
    );
    expect(() => classNameFor(TASKS.mask, "LatentConsistencyModelPipeline", {})).toThrow(/no inpainting pipeline/);
    expect(() => classNameFor(TASKS.image, "StableDiffusionAdapterPipeline", {})).toThrow(/with T2I-Adapters/);
    expect(() => classNameFor(TASKS.noise, "WuerstchenPipeline", {})).toThrow(/no text-to-image pipeline for a Wuerstchen/);
  });

  it.each([
    ["noise", "sd1-mini", "StableDiffusionPipeline"],
    ["image", "sd2-mini", "StableDiffusionImg2ImgPipeline"],
    ["mask", "sd1-mini", "StableDiffusionInpaintPipeline"],
    ["noise", "sd1-inpaint-mini", "StableDiffusionPipeline"],
    ["noise", "sdxl-base-mini", "StableDiffusionXLPipeline"],
    ["image", "sdxl-refiner-mini", "StableDiffusionXLImg2ImgPipeline"],
    ["mask", "sdxl-base-mini", "StableDiffusionXLInpaintPipeline"],
  ] as const)("for %s opens %s as %s", async (task, name, className) => {
    await using pipe = await AUTO[task].fromPretrained(checkpoint(name));
    expect(pipe.className).toBe(className);
  });

  it("takes the pipelines with ControlNets if some are given, and changes between tasks with the same networks", async () => {
    await using controlnet = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"));
    await using pipe = await AutoPipelineForText2Image.fromPretrained(checkpoint("sd1-mini"), { controlnet });
    expect(pipe.className).toBe("StableDiffusionControlNetPipeline");
    await using image = await AutoPipelineForImage2Image.fromPipe(pipe);
    expect(image.className).toBe("StableDiffusionControlNetImg2ImgPipeline");
    await using plain = await AutoPipelineForInpainting.fromPipe(image, { controlnet: null });
    expect(plain.className).toBe("StableDiffusionInpaintPipeline");
    expect(plain.unet).toBe(pipe.unet);
    await using again = await AutoPipelineForInpainting.fromPipe(plain, { controlnet });
    expect(again.className).toBe("StableDiffusionControlNetInpaintPipeline");
  });

  it("makes pictures under a ControlNet Union that is added to a pipeline", async () => {
    await using controlnet = await ControlNetUnionModel.fromPretrained(checkpoint("controlnet-union-mini"));
    await using pipe = await AutoPipelineForText2Image.fromPretrained(checkpoint("sdxl-base-mini"), { scheduler: "euler" });
    await using image = await AutoPipelineForImage2Image.fromPipe(pipe, { controlnet, scheduler: "ddim" });
    expect([image.className, image.scheduler.className]).toEqual(["StableDiffusionXLControlNetUnionImg2ImgPipeline", "DDIMScheduler"]);
    expect(pipe.scheduler.className).toBe("EulerDiscreteScheduler");
    const picture = Tensor.zeros([1, 3, 32, 32]);
    const request = { prompt: "a fox", image: picture, controlImage: picture, controlMode: 0, strength: 0.5, seed: 1 } as const;
    expect((await image.generate({ ...request, numInferenceSteps: 2, outputType: "np" })).images.shape).toEqual([1, 32, 32, 3]);
    await using open = await AutoPipelineForInpainting.fromPretrained(checkpoint("sdxl-base-mini"), { controlnet });
    expect(open.className).toBe("StableDiffusionXLControlNetUnionInpaintPipeline");
  });

  it("says that there is no pipeline for a checkpoint without prompts", async () => {
    await expect(AutoPipelineForText2Image.fromPretrained(checkpoint("ddpm-mini"))).rejects.toThrow(/no text-to-image pipeline for a DDPM/);
    await using pipe = await DDPMPipeline.fromPretrained(checkpoint("ddpm-mini"));
    await expect(AutoPipelineForInpainting.fromPipe(pipe)).rejects.toThrow(/no inpainting pipeline for a DDPMPipeline/);
    await expect(AutoPipelineForInpainting.fromPipe(undefined as never)).rejects.toThrow(/no inpainting pipeline/);
  });
});
