import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  ConfigError,
  ControlNetModel,
  EulerDiscreteScheduler,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLPipeline,
} from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";

const REQUEST = { prompt: "a red fox", seed: 7, numInferenceSteps: 2, outputType: "tensor" } as const;

describe("components", () => {
  it("are the parts of the class by diffusers' names, null for absent ones", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    const { components } = pipe;
    expect(Object.keys(components).sort()).toEqual(
      ["featureExtractor", "imageEncoder", "safetyChecker", "scheduler", "textEncoder", "tokenizer", "unet", "vae"].sort(),
    );
    expect(components.unet).toBe(pipe.unet);
    expect(components.safetyChecker).toBeNull();
    const again = new StableDiffusionImg2ImgPipeline(components);
    expect(again.vae).toBe(pipe.vae);
  });
});

describe("fromPipe", () => {
  it("shares the networks, which live until the last pipeline is disposed", async () => {
    const pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    const { images: expected } = await pipe.generate(REQUEST);
    const other = await StableDiffusionImg2ImgPipeline.fromPipe(pipe);
    const third = await StableDiffusionPipeline.fromPipe(other);
    expect(third.unet).toBe(pipe.unet);
    await pipe.dispose();
    await pipe.dispose();
    await other.dispose();
    expect((await third.generate(REQUEST)).images).toEqual(expected);
    await third.dispose();
    await expect(third.generate(REQUEST)).rejects.toThrow(/dispose/);
    await expect(StableDiffusionPipeline.fromPipe(third)).rejects.toThrow(/was disposed/);
  });

  it("takes other parts, and a scheduler by its name", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    await using controlnet = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"));
    await using other = await StableDiffusionControlNetPipeline.fromPipe(pipe, { controlnet, scheduler: "euler" });
    expect(other.controlnet).toEqual([controlnet]);
    expect(other.scheduler).toBeInstanceOf(EulerDiscreteScheduler);
    expect(pipe.scheduler).not.toBeInstanceOf(EulerDiscreteScheduler);
    await using back = await StableDiffusionPipeline.fromPipe(other, { vae: null });
    expect(back.vae).toBeNull();
  });

  it("keeps the settings of model_index.json", async () => {
    await using refiner = await StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini"));
    await using other = await StableDiffusionXLImg2ImgPipeline.fromPipe(refiner);
    expect(other.settings).toMatchObject({ requiresAestheticsScore: true, forceZerosForEmptyPrompt: false });
  });

  it("names a part that the class needs and the other pipeline does not have", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    await expect(StableDiffusionControlNetPipeline.fromPipe(pipe)).rejects.toThrow(
      expect.objectContaining({
        message: expect.stringContaining("controlnet"),
        hint: expect.stringContaining("fromPipe(pipe, { controlnet })"),
      }),
    );
    await expect(StableDiffusionXLPipeline.fromPipe(pipe)).rejects.toThrow(ArgumentError);
    await using xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"));
    await expect(StableDiffusionPipeline.fromPipe(xl)).rejects.toThrow(ConfigError);
    await expect(StableDiffusionPipeline.fromPipe({} as never)).rejects.toThrow(/pipe is .*expected a pipeline/);
    // A pipeline that could not be made does not keep the networks.
    await xl.dispose();
    await expect(xl.generate({ prompt: "a" })).rejects.toThrow(/dispose/);
  });
});
