import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { belongsElsewhere } from "../../src/pipelines/shared/misplaced-options.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";

const SD = checkpoint("sd1-mini");

let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(SD, { device: "cpu" });
});
afterAll(() => pipe.dispose());

async function refusal(work: Promise<unknown>): Promise<ArgumentError> {
  const error = await work.then(
    () => expect.fail("it was not refused"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ArgumentError);
  return error as ArgumentError;
}

const generate = (request: object) => refusal(pipe.generate(request as never));

describe("an option that generate does not have", () => {
  it.each([
    ["steps", "numInferenceSteps"],
    ["num_inference_steps", "numInferenceSteps"],
    ["numInferenceStep", "numInferenceSteps"],
    ["guidance_scale", "guidanceScale"],
    ["cfg", "guidanceScale"],
    ["callback_on_step_end", "onStepEnd"],
    ["guidance", "guidanceScale"],
    ["negative_prompt", "negativePrompt"],
    ["negative", "negativePrompt"],
    ["num_images_per_prompt", "numImagesPerPrompt"],
    ["output_type", "outputType"],
    ["Width", "width"],
    ["sead", "seed"],
  ])("is refused with the one that is meant: %s", async (name, meant) => {
    const error = await generate({ prompt: "a fox", [name]: 3 });
    expect(error.argument).toBe(name);
    expect(error.message).toMatch(new RegExp(`^StableDiffusionPipeline\\.generate has no option ${name}; .*\\b${meant}\\b`));
  });

  it.each([
    ["image", /StableDiffusionImg2ImgPipeline/],
    ["strength", /StableDiffusionImg2ImgPipeline/],
    ["mask_image", /StableDiffusionInpaintPipeline/],
    ["controlnetConditioningScale", /StableDiffusionControlNetPipeline/],
    ["prompt_2", /prompt2 belongs to the pipelines of Stable Diffusion XL, FLUX\.1, /],
    ["denoisingStart", /StableDiffusionXLImg2ImgPipeline and StableDiffusionXLInpaintPipeline/],
    ["aestheticScore", /the pipelines of Stable Diffusion XL's refiner/],
    ["callback_steps", /for await/],
    ["cross_attention_kwargs", /setAdapters/],
    ["enable_pag", /pagScale/],
    ["return_dict", /always an object/],
    ["banana", /^its options are .*\bprompt\b/],
  ])("is refused with where it belongs, or why there is none: %s", async (name, hint) => {
    expect((await generate({ prompt: "a fox", [name]: "x" })).hint).toMatch(hint);
  });

  it("may be undefined, which counts as not given", async () => {
    const signal = AbortSignal.abort(new Error("taken"));
    await expect(pipe.generate({ prompt: "a fox", signal, strength: undefined } as never)).rejects.toThrow("taken");
  });

  it("is found inside an option, too", async () => {
    const error = await generate({ prompt: "a fox", cache: { intervall: 2 } });
    expect(error.message).toBe("StableDiffusionPipeline.generate has no option cache.intervall; did you mean cache.interval?");
  });

  it("is one that makes no sense for the pipeline: the size of img2img is the picture's", async () => {
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    const error = await refusal(img2img.generate({ prompt: "a", image: Tensor.zeros([1, 3, 16, 16]), width: 32 } as never));
    expect([error.argument, error.hint]).toEqual(["width", expect.stringContaining("size of the picture")]);
  });
});

describe("a value of the wrong kind", () => {
  it.each([
    [{ numInferenceSteps: "20" }, "numInferenceSteps", 'numInferenceSteps is "20" (a string); expected a whole number, at least 1'],
    [{ numInferenceSteps: 2.5 }, "numInferenceSteps", "numInferenceSteps is 2.5; expected a whole number, at least 1"],
    [{ prompt: 5 }, "prompt", "prompt is 5 (a number); expected a text or a list of texts"],
    [{ prompt: ["a", null] }, "prompt", 'prompt is ["a", null] (a list); expected a text or a list of texts'],
    [{ signal: {} }, "signal", "signal is {} (an object); expected an AbortSignal, such as AbortSignal.timeout(1000)"],
    [{ generator: 5 }, "generator", "generator is 5 (a number); expected a Generator, such as new Generator(7), or a list of them"],
    [{ latents: new Tensor("int64", [1], new BigInt64Array(1)) }, "latents", "latents is a Tensor of int64 [1]; expected a float32 Tensor"],
    [{ cache: 3 }, "cache", "cache is 3 (a number); expected an object: { interval, threshold, branch }"],
    [{ outputType: "pil" }, "outputType", 'outputType is "pil"; expected one of image, tensor, np, uint8, latent'],
    [
      { guidanceScale: ["7"] },
      "guidanceScale",
      'guidanceScale is ["7"] (a list); expected a finite number, or a list with one for each step',
    ],
  ])("is refused with what was given and its type: %o", async (options, argument, message) => {
    expect(await generate({ prompt: "a fox", ...options })).toMatchObject({ argument, message });
  });

  it("may be null, Python's None: the default", async () => {
    const signal = AbortSignal.abort(new Error("taken"));
    const request = { prompt: "a fox", signal, numInferenceSteps: null, generator: null, latents: null, negativePrompt: null };
    await expect(pipe.generate(request as never)).rejects.toThrow("taken");
  });

  it.each([
    [undefined, "StableDiffusionPipeline.generate was given undefined; expected an object with options"],
    [null, "StableDiffusionPipeline.generate was given null; expected an object with options"],
    ["a fox", 'StableDiffusionPipeline.generate was given "a fox" (a string); expected an object with options'],
  ])("is refused in place of all options: %o", async (request, message) => {
    expect(await refusal(pipe.generate(request as never))).toMatchObject({
      message,
      hint: 'such as pipe.generate({ prompt: "a red fox" })',
    });
  });

  it("is an error, too, if the option is required and missing", async () => {
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    expect(await refusal(img2img.generate({ prompt: "a fox" } as never))).toMatchObject({
      argument: "image",
      message: expect.stringMatching(/^StableDiffusionImg2ImgPipeline\.generate needs image: /),
    });
  });
});

describe("fromPretrained", () => {
  const open = (options: unknown, path: unknown = SD) => refusal(StableDiffusionPipeline.fromPretrained(path as string, options as never));

  it.each([
    ["lowMemoy", "did you mean lowMemory"],
    ["local_files_only", "it is called localFilesOnly"],
    ["cache_dir", "it is called cacheDir"],
    ["vea", "did you mean vae"],
  ])("refuses the option %s with the one that is meant", async (name, meant) => {
    const error = await open({ [name]: true });
    expect(error.message).toContain(`StableDiffusionPipeline.fromPretrained has no option ${name}; ${meant}`);
  });

  it.each([
    ["torchDtype", /precision/],
    ["torch_dtype", /precision/],
    ["use_safetensors", /only safetensors/],
    ["low_cpu_mem_usage", /lowMemory/],
  ])("says why it has no %s", async (name, hint) => {
    expect((await open({ [name]: true })).hint).toMatch(hint);
  });

  it.each([
    [undefined, "path is undefined; expected"],
    [5, "path is 5 (a number); expected"],
    ["", 'path is "" (a string); expected'],
  ])("refuses a path that is none: %o", async (path, message) => {
    const error = await refusal(StableDiffusionPipeline.fromPretrained(path as string));
    expect([error.argument, error.message.startsWith(message)]).toEqual(["path", true]);
  });

  it("refuses a part that the checkpoint's pipeline does not have, though another would", async () => {
    const error = await refusal(DiffusionPipeline.fromPretrained(SD, { textEncoder2: pipe.textEncoder } as never));
    expect(error.message).toBe("StableDiffusionPipeline.fromPretrained has no option textEncoder2");
    expect(error.hint).toContain("Stable Diffusion XL");
  });

  it("accepts null for a part that the pipeline never has", async () => {
    const options = { device: "cpu", safetyChecker: null } as object;
    await using xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), options);
    expect(xl.className).toBe("StableDiffusionXLPipeline");
  });
});

describe("a scheduler's short name", () => {
  it("replaces a scheduler and keeps its config", () => {
    const copy = new StableDiffusionPipeline({ ...pipe });
    copy.scheduler = "euler";
    expect(copy.scheduler).toBeInstanceOf(EulerDiscreteScheduler);
    expect(copy.scheduler.config).toEqual(EulerDiscreteScheduler.fromConfig(pipe.scheduler.config).config);
    copy.scheduler = "dpm++ 2m karras";
    expect(copy.scheduler.config).toMatchObject({ _className: "DPMSolverMultistepScheduler", useKarrasSigmas: true });
  });

  it("opens a checkpoint with that scheduler and the checkpoint's config", async () => {
    await using opened = await DiffusionPipeline.fromPretrained(SD, { device: "cpu", scheduler: "euler" });
    expect(opened.scheduler.config).toEqual(EulerDiscreteScheduler.fromConfig(pipe.scheduler.config).config);
  });

  it("is refused with the nearest name if it is unknown", async () => {
    const copy = new StableDiffusionPipeline({ ...pipe });
    expect(() => {
      copy.scheduler = "eular";
    }).toThrow("did you mean euler?");
    expect(() => {
      copy.scheduler = 3 as unknown as string;
    }).toThrow("scheduler is 3 (a number); expected a scheduler, or the name of one");
    expect(await refusal(DiffusionPipeline.fromPretrained("nowhere/at-all", { scheduler: "eular" }))).toMatchObject({
      argument: "scheduler",
    });
  });
});

describe("other calls", () => {
  it("refuse unknown options, and list their own", async () => {
    expect(() => pipe.fuseLora({ scale: 1 } as never)).toThrow("fuseLora has no option scale; it is called loraScale");
    expect((await refusal(pipe.loadLoraWeights("x.safetensors", { weight: 1 } as never))).hint).toContain("setAdapters");
    expect((await refusal(pipe.loadLoraWeights("x.safetensors", { adapter_name: "a" } as never))).message).toContain("adapterName");
    expect(() => new DDIMScheduler().setTimesteps({ steps: 5 } as never)).toThrow("it is called numInferenceSteps");
    expect(() => new DDIMScheduler().setTimesteps("5" as never)).toThrow('numInferenceSteps is "5" (a string)');
    expect(() => DDIMScheduler.fromConfig({}, { clip_sample: false })).toThrow("it is called clipSample");
    expect(() => DDIMScheduler.fromConfig(pipe.scheduler)).toThrow(ArgumentError);
  });
});

describe("randn", () => {
  it("draws from its own generator if none is given", () => {
    const drawn = randn([1, 2]);
    expect(drawn.shape).toEqual([1, 2]);
    expect(drawn.toArray()).not.toEqual(randn([1, 2]).toArray());
  });

  it("refuses a value that is not a generator", () => {
    expect(() => randn([1, 2], 5 as never)).toThrow("generator is 5 (a number); expected a Generator");
  });
});

it.each(["constructor", "__proto__", "toString"])("an option called %s is unknown to every pipeline", (name) => {
  for (const className of ["StableDiffusionPipeline", "StableDiffusionXLPipeline", "DDPMPipeline"]) {
    expect(belongsElsewhere(className, name)).toBeUndefined();
  }
});
