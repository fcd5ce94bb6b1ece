import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { cfgCutoff, ipAdapterScaleCutoff } from "../../src/pipelines/cfg-cutoff.js";
import type { OnStepEnd, StepChanges, StepEnd } from "../../src/pipelines/shared/steering.js";
import { StableDiffusionPipeline, type StableDiffusionRequest } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { Tensor } from "../../src/tensor/tensor.js";

// Pictures of steered runs are compared with Python's among the fixtures, group steering.

const CHECKPOINTS = new URL("../checkpoints/", import.meta.url).pathname;
const CALL = { prompt: "a fox", negativePrompt: "blurry", numInferenceSteps: 4, seed: 3, height: 16, width: 16 } as const;
const picture = { width: 16, height: 16, channels: 3, data: new Uint8Array(16 * 16 * 3).fill(90) } as const;

let pipe: StableDiffusionPipeline;
let xl: StableDiffusionXLPipeline;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(`${CHECKPOINTS}sd1-mini`, { device: "cpu", scheduler: "euler" });
  xl = await StableDiffusionXLPipeline.fromPretrained(`${CHECKPOINTS}sdxl-base-mini`, { device: "cpu" });
});
afterAll(async () => {
  await pipe.dispose();
  await xl.dispose();
});

async function latentsOf(request: Partial<StableDiffusionRequest> = {}): Promise<Tensor> {
  return (await pipe.generate({ ...CALL, ...request, outputType: "latent" })).images;
}

/** The steps that `onStepEnd` was given. */
async function stepsOf(request: Partial<StableDiffusionRequest> = {}): Promise<StepEnd[]> {
  const steps: StepEnd[] = [];
  await latentsOf({ ...request, onStepEnd: (step) => void steps.push(step) });
  return steps;
}

/** A callback that changes something after the first step. */
const first =
  (change: (step: StepEnd) => object): OnStepEnd =>
  (step) =>
    step.index === 0 ? (change(step) as StepChanges) : undefined;

describe("onStepEnd", () => {
  it("is called after every step, with the run's tensors", async () => {
    const steps = await stepsOf({ numImagesPerPrompt: 2 });
    expect(steps.map(({ index, total }) => [index, total])).toEqual([0, 1, 2, 3].map((index) => [index, 4]));
    for (const { latents, denoised, promptEmbeds, negativePromptEmbeds, guidanceScale, pooledPromptEmbeds } of steps) {
      expect(denoised?.shape).toEqual(latents.shape);
      expect(promptEmbeds.shape[0]).toBe(2);
      expect(negativePromptEmbeds?.shape).toEqual(promptEmbeds.shape);
      expect(guidanceScale).toBe(7.5);
      expect(pooledPromptEmbeds).toBeUndefined();
    }
  });

  it("changes nothing if it returns nothing or its own step", async () => {
    const plain = await latentsOf();
    expect(await latentsOf({ onStepEnd: () => {} })).toEqual(plain);
    expect(await latentsOf({ onStepEnd: async (step) => ({ ...step }) })).toEqual(plain);
  });

  it("is awaited, and its changes are seen by the next one of a list and by a loop over the steps", async () => {
    const seen: string[] = [];
    const zeros = ({ latents }: StepEnd) => ({ latents: latents.mul(0) });
    const run = pipe.steps({
      ...CALL,
      onStepEnd: [
        async (step) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return zeros(step);
        },
        ({ latents }) => void seen.push(String(latents.data[0])),
      ],
    });
    for await (const { latents } of run) seen.push(String(latents.data[0]));
    expect(seen).toEqual(Array.from({ length: 8 }, () => "0"));
  });

  it("may await another call of the same pipeline, which has the turn meanwhile", async () => {
    const other = vi.fn(async () => void (await latentsOf({ seed: 5 })));
    expect(await latentsOf({ onStepEnd: (step) => (step.index === 1 ? other() : undefined) })).toEqual(await latentsOf());
    expect(other).toHaveBeenCalledOnce();
  });

  it("shows previews", async () => {
    let size: readonly number[] = [];
    const onStepEnd = async (step: StepEnd) => {
      const [preview] = await step.preview();
      size = [preview?.width ?? 0, preview?.height ?? 0];
    };
    await latentsOf({ onStepEnd });
    expect(size).toEqual([16, 16]);
  });

  it("ends the run with its error, after which the pipeline goes on working", async () => {
    const fail = () => {
      throw new RangeError("no more");
    };
    await expect(latentsOf({ onStepEnd: fail })).rejects.toThrow(RangeError);
    await latentsOf();
  });

  it("ends the loop by interrupt(), with the picture of the latents so far", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    const { images } = await pipe.generate({ ...CALL, onStepEnd: (step) => void (step.index === 1 && step.interrupt()) });
    expect(images).toHaveLength(1);
    expect(forward).toHaveBeenCalledTimes(2);
    vi.restoreAllMocks();
  });

  it("replaces texts by longer ones if both halves are longer", async () => {
    const longer = (tensor: Tensor | undefined) => Tensor.zeros([1, (tensor?.shape[1] ?? 0) + 2, tensor?.shape[2] ?? 0]);
    const both = first(({ promptEmbeds, negativePromptEmbeds }) => ({
      promptEmbeds: longer(promptEmbeds),
      negativePromptEmbeds: longer(negativePromptEmbeds),
    }));
    await latentsOf({ onStepEnd: both });
    await latentsOf({ guidanceScale: 1, onStepEnd: first(({ promptEmbeds }) => ({ promptEmbeds: longer(promptEmbeds) })) });
    const one = first(({ promptEmbeds }) => ({ promptEmbeds: longer(promptEmbeds) }));
    await expect(latentsOf({ onStepEnd: one })).rejects.toThrow(/^onStepEnd returned promptEmbeds \[1,\d+,\d+\]; expected/);
  });

  it.each<[string, (step: StepEnd) => object, RegExp]>([
    [
      "a shape",
      ({ latents }) => ({ latents: Tensor.zeros([1, ...latents.shape]) }),
      /^onStepEnd returned latents \[1,1,4,8,8\]; expected \[1,4,8,8\]/,
    ],
    ["a dtype", ({ latents }) => ({ latents: latents.to("float64" as "int64") }), /^onStepEnd\.latents is .*; expected a float32 Tensor/],
    [
      "NaN",
      ({ latents }) => ({ latents: latents.mul(Number.NaN) }),
      /^onStepEnd returned latents with the value NaN; expected finite numbers/,
    ],
    [
      "a misspelt name",
      ({ latents }) => ({ latent: latents }),
      /^onStepEnd's result has no option onStepEnd\.latent; did you mean onStepEnd\.latents\?/,
    ],
    ["what the pipeline lacks", ({ latents }) => ({ mask: latents }), /^onStepEnd's result has no option onStepEnd\.mask/],
    ["a changed index", () => ({ index: 3 }), /^onStepEnd's result has no option onStepEnd\.index/],
    ["a list", ({ latents }) => [latents], /^onStepEnd returned .*; expected an object with changes/],
    ["no number", () => ({ guidanceScale: "7" }), /^onStepEnd\.guidanceScale is "7" \(a string\); expected a finite number/],
    [
      "both halves",
      ({ promptEmbeds }) => ({ promptEmbeds: promptEmbeds.repeatInterleave(2) }),
      /^onStepEnd returned promptEmbeds \[2,\d+,\d+\]; expected \[1,/,
    ],
  ])("refuses %s", async (_, change, message) => {
    await expect(latentsOf({ onStepEnd: first(change) })).rejects.toThrow(message);
  });

  it("refuses what is no function", async () => {
    await expect(latentsOf({ onStepEnd: 3 as never })).rejects.toThrow(/^onStepEnd is 3 \(a number\); expected a function/);
  });

  it("has XL's features, and replaces one of them alone", async () => {
    const call = { ...CALL, height: 32, width: 32, outputType: "latent" } as const;
    const sizes: (readonly number[] | undefined)[] = [];
    const change = first(({ addTimeIds, negativeAddTimeIds, pooledPromptEmbeds }) => {
      sizes.push(addTimeIds?.shape, negativeAddTimeIds?.shape);
      return { pooledPromptEmbeds: pooledPromptEmbeds?.mul(-1) };
    });
    const changed = (await xl.generate({ ...call, onStepEnd: change })).images;
    expect(sizes).toEqual([
      [1, 6],
      [1, 6],
    ]);
    expect(changed).not.toEqual((await xl.generate(call)).images);
  });

  it("replaces the mask of an inpainting run", async () => {
    const inpaint = new StableDiffusionInpaintPipeline(pipe.components);
    const maskImage = { ...picture, channels: 1, data: new Uint8Array(256).fill(255) } as const;
    const call = { ...CALL, image: picture, maskImage, outputType: "latent" } as const;
    const shapes: unknown[] = [];
    const keepAll = first(({ mask }) => {
      shapes.push(mask?.shape);
      return { mask: mask?.mul(0) };
    });
    const { images } = await inpaint.generate({ ...call, onStepEnd: keepAll });
    expect(shapes).toEqual([[1, 1, 8, 8]]);
    expect(images).not.toEqual((await inpaint.generate(call)).images);
  });
});

describe("guidance that changes with the step", () => {
  const setting =
    (scales: readonly number[]): OnStepEnd =>
    ({ index }) =>
      scales[index + 1] === undefined ? undefined : { guidanceScale: scales[index + 1] };

  it("is a list with a number for each step, or set by onStepEnd", async () => {
    const scales = [7.5, 3, 9, 5];
    const listed = await latentsOf({ guidanceScale: scales });
    expect(listed).toEqual(await latentsOf({ guidanceScale: 7.5, onStepEnd: setting(scales) }));
    expect(listed).not.toEqual(await latentsOf());
    expect((await stepsOf({ guidanceScale: scales })).map(({ guidanceScale }) => guidanceScale)).toEqual(scales);
  });

  it("computes no negative prompt at steps with a scale of 1 or less", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    await latentsOf({ guidanceScale: [1, 7.5, 0, 3] });
    expect(forward.mock.calls.map(([, , { encoderHiddenStates }]) => encoderHiddenStates.shape[0])).toEqual([1, 2, 1, 2]);
    vi.restoreAllMocks();
  });

  it("turns IP-Adapters off by ipAdapterScaleCutoff", () => {
    const setScales = vi.fn();
    const onStepEnd = ipAdapterScaleCutoff({ unet: { ipAdapters: { count: 2, setScales } } } as never, { cutoffStepIndex: 1 });
    for (const index of [0, 1, 2]) void onStepEnd({ index, total: 3 } as never);
    expect(setScales.mock.calls).toEqual([[[0, 0]]]);
  });

  it("ends by cfgCutoff", async () => {
    const off = await latentsOf({ guidanceScale: [7.5, 7.5, 7.5, 0] });
    expect(await latentsOf({ onStepEnd: cfgCutoff({ cutoffStepRatio: 0.5 }) })).toEqual(off);
    expect(await latentsOf({ onStepEnd: cfgCutoff({ cutoffStepIndex: 2 }) })).toEqual(off);
    expect(() => cfgCutoff({})).toThrow(/^neither cutoffStepRatio nor cutoffStepIndex was given/);
  });

  it("goes with the step cache", async () => {
    const forward = vi.spyOn(pipe.unet, "forward");
    await latentsOf({ guidanceScale: [7.5, 7.5, 1, 1], cache: { interval: 4 } });
    expect(forward.mock.calls.map(([, , { deepFeature }]) => (deepFeature ? "s" : "W")).join("")).toBe("WsWs");
    vi.restoreAllMocks();
  });

  it("has one number for both turns of a step of order 2", async () => {
    const own = pipe.scheduler;
    pipe.scheduler = "heun" as never;
    try {
      const scales = (await stepsOf({ guidanceScale: [7.5, 3, 9, 5] })).map(({ guidanceScale }) => guidanceScale);
      expect(scales).toEqual([7.5, 7.5, 3, 3, 9, 9, 5]);
    } finally {
      pipe.scheduler = own;
    }
  });

  it("counts the steps that are taken", async () => {
    const img2img = new StableDiffusionImg2ImgPipeline(pipe.components);
    const call = { prompt: "a fox", image: picture, numInferenceSteps: 4, strength: 0.5, seed: 1 } as const;
    await img2img.generate({ ...call, guidanceScale: [3, 4] });
    await expect(img2img.generate({ ...call, guidanceScale: [3, 4, 5, 6] })).rejects.toThrow(
      /^guidanceScale is a list of 4 for a run of 2 steps; expected one number for each step/,
    );
    await expect(latentsOf({ guidanceScale: [] as number[] })).rejects.toThrow(
      /^guidanceScale is \[\] \(a list\); expected a finite number, or a list/,
    );
  });

  it("is refused as a list by a scheduler that does not know its number of steps", async () => {
    const own = pipe.scheduler;
    pipe.scheduler = "dpm-adaptive" as never;
    try {
      await expect(latentsOf({ guidanceScale: [3, 4, 5, 6] })).rejects.toThrow(/^guidanceScale is a list, but DPMAdaptive/);
    } finally {
      pipe.scheduler = own;
    }
  });

  it("is not turned on without negative embeddings", async () => {
    const call = { guidanceScale: 1 } as const;
    await expect(latentsOf({ ...call, onStepEnd: first(() => ({ guidanceScale: 5 })) })).rejects.toThrow(
      /^onStepEnd set guidanceScale 5, but the call began without guidance, so it has no negativePromptEmbeds/,
    );
    const { negativePromptEmbeds } = await pipe.encodePrompt({ prompt: CALL.prompt, negativePrompt: CALL.negativePrompt });
    const on = await latentsOf({ ...call, onStepEnd: first(() => ({ guidanceScale: 5, negativePromptEmbeds })) });
    expect(on).toEqual(await latentsOf({ guidanceScale: [1, 5, 5, 5] }));
  });
});
