import { describe, expect, it } from "vitest";
import {
  AutoPipelineForImage2Image,
  AutoPipelineForInpainting,
  AutoPipelineForText2Image,
  ControlNetModel,
  DDPMPipeline,
} from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";

const AUTO = { noise: AutoPipelineForText2Image, image: AutoPipelineForImage2Image, mask: AutoPipelineForInpainting } as const;

describe("AutoPipeline", () => {
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

  it("says that there is no pipeline for a checkpoint without prompts", async () => {
    await expect(AutoPipelineForText2Image.fromPretrained(checkpoint("ddpm-mini"))).rejects.toThrow(/no text-to-image pipeline for a DDPM/);
    await using pipe = await DDPMPipeline.fromPretrained(checkpoint("ddpm-mini"));
    await expect(AutoPipelineForInpainting.fromPipe(pipe)).rejects.toThrow(/no inpainting pipeline for a DDPMPipeline/);
    await expect(AutoPipelineForInpainting.fromPipe(undefined as never)).rejects.toThrow(/no inpainting pipeline/);
  });
});
