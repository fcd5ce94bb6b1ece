import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ArgumentError, DeviceError } from "../../src/errors.js";
import type { Picture } from "../../src/image/picture.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { type StableDiffusionOptions, StableDiffusionPipeline, type StableDiffusionRequest } from "../../src/pipelines/stable-diffusion.js";
import { EulerAncestralDiscreteScheduler } from "../../src/schedulers/euler-ancestral-discrete.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import type { Scheduler } from "../../src/schedulers/shared/scheduler.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { collectWarnings } from "../helpers/warnings.js";
import { EMOJI } from "./emoji.js";

const STEPS = { numInferenceSteps: 2 } as const;
const FOX = { prompt: "a red fox on a blue background", seed: 1, ...STEPS } as const;

let pipe: StableDiffusionPipeline;
let original: Scheduler;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(EMOJI, { device: "cpu" });
  original = pipe.scheduler;
});
afterAll(() => pipe.dispose());

/** Runs a test with another scheduler, and puts the checkpoint's back. */
function withScheduler(scheduler: Scheduler): void {
  pipe.scheduler = scheduler;
  onTestFinished(() => {
    pipe.scheduler = original;
  });
}

async function picturesOf(request: StableDiffusionRequest): Promise<Picture[]> {
  return (await pipe.generate({ ...request, outputType: "image" })).images;
}

async function latentsOf(request: StableDiffusionRequest): Promise<Tensor> {
  return (await pipe.generate({ ...request, outputType: "latent" })).images;
}

// A batch is computed by other kernels than a single picture; the last bits may differ.
const CLOSE = 1e-3;
const row = (tensor: Tensor, i: number) => tensor.slice(i, i + 1);

describe("random numbers", () => {
  it("of one seed make the same picture twice", async () => {
    expect(await latentsOf(FOX)).toEqual(await latentsOf(FOX));
  });

  it("of seed -1 are torch's, with a warning: web UIs draw a seed for it", async () => {
    const warnings = collectWarnings();
    expect(await latentsOf({ ...FOX, seed: -1 })).toEqual(await latentsOf({ ...FOX, seed: 2n ** 64n - 1n }));
    expect(warnings).toEqual([expect.stringMatching(/^seed is -1, which is one seed here as in torch .*; leave it out for a random one$/)]);
  });

  it("of another seed make another picture", async () => {
    expect(largestDifference(await latentsOf(FOX), await latentsOf({ ...FOX, seed: 2 }))).toBeGreaterThan(0.1);
  });

  it("may come from a generator, and its state advances", async () => {
    const generator = new Generator(1);
    const [first, second] = [
      await latentsOf({ ...FOX, seed: undefined, generator }),
      await latentsOf({ ...FOX, seed: undefined, generator }),
    ];
    expect(first).toEqual(await latentsOf(FOX));
    expect(largestDifference(first, second)).toBeGreaterThan(0.1);
  });

  it("of a list of seeds make each picture on its own", async () => {
    const batch = await latentsOf({ ...FOX, seed: [5, 1], numImagesPerPrompt: 2 });
    expect(largestDifference(row(batch, 1), await latentsOf(FOX))).toBeLessThan(CLOSE);
  });

  it("of a list of generators make each picture on its own", async () => {
    const generator = [new Generator(5), new Generator(1)];
    const batch = await latentsOf({ ...FOX, seed: undefined, generator, numImagesPerPrompt: 2 });
    expect(batch).toEqual(await latentsOf({ ...FOX, seed: [5, 1], numImagesPerPrompt: 2 }));
  });

  it("of a list of seeds make each picture on its own with a scheduler that draws at every step", async () => {
    withScheduler(EulerAncestralDiscreteScheduler.fromConfig(pipe.scheduler.config));
    const batch = await latentsOf({ ...FOX, seed: [5, 1], numImagesPerPrompt: 2 });
    expect(largestDifference(row(batch, 1), await latentsOf(FOX))).toBeLessThan(CLOSE);
  });

  it("come from the returned seed if the caller gave none", async () => {
    const { images, seeds } = await pipe.generate({ prompt: "a fox", ...STEPS, outputType: "latent" });
    expect(seeds).toHaveLength(1);
    expect(await latentsOf({ prompt: "a fox", ...STEPS, seed: seeds[0] })).toEqual(images);
  });

  it.each<[Partial<StableDiffusionOptions>, bigint[]]>([
    [{ seed: 7 }, [7n]],
    [{ seed: -1n }, [2n ** 64n - 1n]],
    [{ seed: [7, 8n], numImagesPerPrompt: 2 }, [7n, 8n]],
    [{ generator: new Generator(9) }, [9n]],
  ])("come back as their seeds: %o", async (request, seeds) => {
    expect((await pipe.generate({ prompt: "a fox", numInferenceSteps: 1, ...request })).seeds).toEqual(seeds);
  });
});

describe("prompts", () => {
  it("may be a list: one picture for each", async () => {
    const batch = await latentsOf({ ...FOX, prompt: ["a panda", FOX.prompt], seed: [3, 1] });
    expect(batch.shape).toEqual([2, 8, 16, 16]);
    expect(largestDifference(row(batch, 1), await latentsOf(FOX))).toBeLessThan(CLOSE);
  });

  it("give several pictures each, in the order of the prompts", async () => {
    const batch = await latentsOf({ ...FOX, prompt: ["a panda", FOX.prompt], numImagesPerPrompt: 2, seed: [3, 4, 1, 6] });
    expect(batch.shape).toEqual([4, 8, 16, 16]);
    expect(largestDifference(row(batch, 2), await latentsOf(FOX))).toBeLessThan(CLOSE);
  });

  it("may be embeddings of the text encoder", async () => {
    const embed = async (text: string) => {
      const { inputIds } = pipe.tokenizer.tokenize([text]);
      return (await pipe.textEncoder.forward(inputIds)).lastHiddenState;
    };
    const [promptEmbeds, negativePromptEmbeds] = [await embed(FOX.prompt), await embed("blue")];
    const embedded = await latentsOf({ ...STEPS, seed: 1, promptEmbeds, negativePromptEmbeds });
    expect(largestDifference(embedded, await latentsOf({ ...FOX, negativePrompt: "blue" }))).toBeLessThan(CLOSE);
  });

  it("give the same picture as one text or a list of equal texts", async () => {
    const prompts = { ...FOX, prompt: [FOX.prompt, "a panda"], seed: [1, 2] };
    const one = await latentsOf({ ...prompts, negativePrompt: "blue" });
    expect(await latentsOf({ ...prompts, negativePrompt: ["blue", "blue"] })).toEqual(one);
  });

  it("may have one negative prompt each", async () => {
    const batch = await latentsOf({ ...FOX, prompt: ["a panda", FOX.prompt], negativePrompt: ["green", "blue"], seed: [3, 1] });
    expect(largestDifference(row(batch, 1), await latentsOf({ ...FOX, negativePrompt: "blue" }))).toBeLessThan(CLOSE);
  });

  it("ignore the negative prompt without guidance", async () => {
    const without = await latentsOf({ ...FOX, guidanceScale: 1 });
    expect(await latentsOf({ ...FOX, guidanceScale: 1, negativePrompt: "blue" })).toEqual(without);
  });

  it("may be empty", async () => {
    expect((await latentsOf({ ...FOX, prompt: "" })).shape).toEqual([1, 8, 16, 16]);
  });

  it("that are too long are cut, with a warning that quotes the end", async () => {
    const warnings = collectWarnings();
    const words = Array.from({ length: 40 }, () => "fox");
    const long = await latentsOf({ ...FOX, prompt: [...words, "And a Panda"].join(" ") });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/longer than 32 tokens.*cut off: "fox .*fox And a Panda"$/);
    expect(long).toEqual(await latentsOf({ ...FOX, prompt: words.join(" ") }));
  });

  it("give the same warning for a negative prompt that is too long", async () => {
    const warnings = collectWarnings();
    await latentsOf({ ...FOX, negativePrompt: `${"fox ".repeat(40)}panda` });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^the negative prompt is longer.*promptSyntax: "a1111" reads it whole; cut off: ".*panda"$/);
  });

  it("give a warning with at most three lines of the end", async () => {
    const warnings = collectWarnings();
    await latentsOf({ ...FOX, prompt: "red fox\n\n".repeat(400) });
    const [, cut = "", more] = /cut off: "(.*)\.\.\." and (\d+) more letters$/.exec(warnings[0] ?? "") ?? [];
    expect([cut.length, Number(more) > 1000]).toEqual([120, true]);
  });

  it("give a warning for weights that are read as plain text, with the syntax that reads them", async () => {
    const warnings = collectWarnings();
    await latentsOf({ ...FOX, prompt: "a (red:1.3) fox", negativePrompt: "(blurry, dark: .5)" });
    expect(warnings).toEqual([
      'the prompt has "(red:1.3)", which is read as plain text; promptSyntax: "a1111" reads it as AUTOMATIC1111 does',
      'the negative prompt has "(blurry, dark: .5)", which is read as plain text; promptSyntax: "a1111" reads it as AUTOMATIC1111 does',
    ]);
    await latentsOf({ ...FOX, prompt: "a (red:1.3) fox", promptSyntax: "a1111" });
    expect(warnings).toHaveLength(2);
    await latentsOf({ ...FOX, prompt: "a fox <lora:style:1>" });
    expect(warnings[2]).toBe('the prompt has "<lora:style:1>", which is read as plain text; loadLoraWeights loads LoRAs');
  });

  it("change the picture if layers of the text encoder are skipped", async () => {
    expect(largestDifference(await latentsOf({ ...FOX, clipSkip: 1 }), await latentsOf(FOX))).toBeGreaterThan(1e-3);
    expect(await latentsOf({ ...FOX, clipSkip: 0 })).toEqual(await latentsOf(FOX));
  });
});

describe("guidance", () => {
  it.each([1, 0.5, 0, -2])("of %d is none", async (guidanceScale) => {
    expect(await latentsOf({ ...FOX, guidanceScale })).toEqual(await latentsOf({ ...FOX, guidanceScale: 1 }));
  });

  it("is 7.5 by default", async () => {
    expect(await latentsOf({ ...FOX, guidanceScale: 7.5 })).toEqual(await latentsOf(FOX));
  });

  it("may be rescaled", async () => {
    expect(largestDifference(await latentsOf({ ...FOX, guidanceRescale: 0.7 }), await latentsOf(FOX))).toBeGreaterThan(1e-3);
  });
});

describe("outputs", () => {
  it("are pictures of the size the network was trained on", async () => {
    const [picture, ...others] = await picturesOf(FOX);
    expect([picture?.width, picture?.height, others.length]).toEqual([128, 128, 0]);
  });

  it("are pictures of the requested size", async () => {
    const [picture] = await picturesOf({ ...FOX, width: 48, height: 32 });
    expect([picture?.width, picture?.height]).toEqual([48, 32]);
  });

  it("are float pictures in 0..1 as tensors", async () => {
    const { images } = await pipe.generate({ ...FOX, numImagesPerPrompt: 2, outputType: "tensor" });
    expect(images.shape).toEqual([2, 3, 128, 128]);
    expect(images.data.every((value) => 0 <= value && value <= 1)).toBe(true);
  });

  it("are latents that the autoencoder decodes to the same pictures", async () => {
    const { sample } = await pipe.vae.decode((await latentsOf(FOX)).div(pipe.vae.config.scalingFactor));
    const { images } = await pipe.generate({ ...FOX, outputType: "tensor" });
    expect(largestDifference(sample.map((value) => value / 2 + 0.5).clamp(0, 1), images)).toBeLessThan(1e-6);
  });

  it("start from given latents", async () => {
    const latents = randn([1, 8, 16, 16], new Generator(1));
    expect(await latentsOf({ ...FOX, seed: 99, latents })).toEqual(await latentsOf(FOX));
  });

  it("do not change given latents", async () => {
    const latents = randn([1, 8, 16, 16], new Generator(1));
    await latentsOf({ ...FOX, latents });
    expect(latents).toEqual(randn([1, 8, 16, 16], new Generator(1)));
  });
});

describe("steps", () => {
  it("come one by one, then the result", async () => {
    const run = pipe.steps({ ...FOX, numInferenceSteps: 3 });
    const seen: [number, number, number][] = [];
    for await (const { index, total, timestep } of run) seen.push([index, total, timestep]);
    expect(seen.map(([index, total]) => [index, total])).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
    const timesteps = seen.map(([, , timestep]) => timestep);
    expect(timesteps).toEqual(timesteps.toSorted((a, b) => b - a));
    expect((await run.result).images[0]?.width).toBe(128);
  });

  it("give the same picture as generate", async () => {
    const run = pipe.steps(FOX);
    for await (const _ of run);
    expect((await run.result).images).toEqual(await picturesOf(FOX));
  });

  it("show previews of the pictures' size, one for each", async () => {
    for await (const step of pipe.steps({ ...FOX, numImagesPerPrompt: 2, width: 32 })) {
      const previews = await step.preview();
      expect(previews.map(({ width, height }) => [width, height])).toEqual([
        [32, 128],
        [32, 128],
      ]);
      expect(step.latents.shape).toEqual([2, 8, 16, 4]);
    }
  });

  it("end in a preview that is the picture", async () => {
    const run = pipe.steps(FOX);
    let last: Picture[] = [];
    for await (const step of run) if (step.index === step.total - 1) last = await step.preview();
    const [picture] = (await run.result).images;
    const differences = last[0]?.data.map((value, i) => Math.abs(value - (picture?.data[i] ?? 0))) ?? [];
    // The checkpoint says that nothing is left of the noise after the last step.
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  });

  it("are cancelled by break, and the result is rejected", async () => {
    const run = pipe.steps({ ...FOX, numInferenceSteps: 50 });
    for await (const { index } of run) if (index === 1) break;
    await expect(run.result).rejects.toMatchObject({ name: "AbortError" });
  });

  it("can be left if nobody waits for the result", async () => {
    const rejections: unknown[] = [];
    const listener = (reason: unknown) => rejections.push(reason);
    process.on("unhandledRejection", listener);
    for await (const _ of pipe.steps(FOX)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", listener);
    expect(rejections).toEqual([]);
  });

  it("compute nothing before the first one is requested", async () => {
    const run = pipe.steps({ ...FOX, prompt: undefined } as unknown as StableDiffusionRequest);
    await expect(run.next()).rejects.toThrow(ArgumentError);
    await expect(run.result).rejects.toThrow(ArgumentError);
  });
});

describe("an AbortSignal", () => {
  it("stops the work between two steps with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const seen: number[] = [];
    const run = pipe.steps({ ...FOX, numInferenceSteps: 50, signal: controller.signal });
    const work = (async () => {
      for await (const { index } of run) {
        seen.push(index);
        if (index === 1) controller.abort(reason);
      }
    })();
    await expect(work).rejects.toBe(reason);
    await expect(run.result).rejects.toBe(reason);
    expect(seen).toEqual([0, 1]);
  });

  it("stops generate while it runs", async () => {
    const work = pipe.generate({ ...FOX, numInferenceSteps: 900, signal: AbortSignal.timeout(50) });
    await expect(work).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("that is aborted before the call stops everything", async () => {
    await expect(pipe.generate({ ...FOX, signal: AbortSignal.abort("no") })).rejects.toBe("no");
  });

  it("that is never aborted has no effect", async () => {
    expect(await latentsOf({ ...FOX, signal: new AbortController().signal })).toEqual(await latentsOf(FOX));
  });
});

describe("two calls at once", () => {
  it("give the same pictures as one after another", async () => {
    const other = { ...FOX, prompt: "a panda", seed: 2, numInferenceSteps: 3, width: 32 };
    const together = await Promise.all([latentsOf(FOX), latentsOf(other)]);
    expect(together).toEqual([await latentsOf(FOX), await latentsOf(other)]);
  });

  it("give the same pictures as one after another, with a multistep scheduler", async () => {
    withScheduler(EulerAncestralDiscreteScheduler.fromConfig(pipe.scheduler.config));
    const other = { ...FOX, seed: 2 };
    const together = await Promise.all([latentsOf(FOX), latentsOf(other)]);
    expect(together).toEqual([await latentsOf(FOX), await latentsOf(other)]);
  });

  it("may have more sizes than the models keep loaded", async () => {
    const requests = [16, 32, 48, 64, 80].map((width) => ({ ...FOX, width, numInferenceSteps: 1 }));
    const together = await Promise.all(requests.map(latentsOf));
    for (const [i, request] of requests.entries()) expect(together[i]).toEqual(await latentsOf(request));
  });
});

describe("components", () => {
  it("can be replaced: a scheduler", async () => {
    const before = await latentsOf(FOX);
    withScheduler(EulerDiscreteScheduler.fromConfig(pipe.scheduler.config));
    expect(largestDifference(await latentsOf(FOX), before)).toBeGreaterThan(1e-3);
  });

  it("from the caller are used, and still work after dispose", async () => {
    const vae = await AutoencoderKL.fromPretrained(EMOJI, { subfolder: "vae", device: "cpu" });
    onTestFinished(() => vae.dispose());
    const scheduler = new EulerDiscreteScheduler({ predictionType: "v_prediction" });
    const other = await StableDiffusionPipeline.fromPretrained(EMOJI, { device: "cpu", vae, scheduler });
    expect(other.vae).toBe(vae);
    expect(other.scheduler.className).toBe("EulerDiscreteScheduler");
    await other.dispose();
    expect((await vae.decode(Tensor.zeros([1, 8, 2, 2]))).sample.shape).toEqual([1, 3, 16, 16]);
  });

  it("may all be given to the constructor", async () => {
    const { vae, textEncoder, tokenizer, unet, scheduler } = pipe;
    const own = new StableDiffusionPipeline({ vae, textEncoder, tokenizer, unet, scheduler });
    expect((await own.generate({ ...FOX, outputType: "latent" })).images).toEqual(await latentsOf(FOX));
    await own.dispose();
    await expect(latentsOf(FOX)).resolves.toBeInstanceOf(Tensor);
  });

  it("fail after dispose, with the reason", async () => {
    const other = await StableDiffusionPipeline.fromPretrained(EMOJI, { device: "cpu" });
    await other.dispose();
    await expect(other.generate(FOX)).rejects.toThrow(new DeviceError("the pipeline or model was disposed"));
    await other.dispose();
  });
});

describe("a wrong request is refused with the argument", () => {
  const latents = Tensor.zeros([1, 8, 16, 16]);
  const promptEmbeds = Tensor.zeros([1, 32, 128]);

  it.each<[string, StableDiffusionOptions, RegExp]>([
    ["0 steps", { numInferenceSteps: 0 }, /^numInferenceSteps is 0; expected a whole number, at least 1$/],
    ["2.5 steps", { numInferenceSteps: 2.5 }, /^numInferenceSteps is 2\.5;/],
    ["NaN steps", { numInferenceSteps: Number.NaN }, /^numInferenceSteps is NaN;/],
    ["more steps than timesteps", { numInferenceSteps: 1001 }, /1001/],
    ["guidance NaN", { guidanceScale: Number.NaN }, /^guidanceScale is NaN; expected a finite number, or a list with one for each step$/],
    ["infinite guidance", { guidanceScale: Number.POSITIVE_INFINITY }, /^guidanceScale is Infinity;/],
    ["rescaling below 0", { guidanceRescale: -0.5 }, /^guidanceRescale is -0\.5; expected a finite number, at least 0$/],
    ["eta below 0", { eta: -0.1 }, /^eta is -0\.1; expected a finite number, at least 0$/],
    ["a width that is no multiple of the factor", { width: 65 }, /^width is 65; expected a multiple of 8/],
    ["a height of 0", { height: 0 }, /^height is 0;/],
    ["a height below 0", { height: -64 }, /^height is -64;/],
    ["a width that is no number", { width: Number.NaN }, /^width is NaN;/],
    ["a seed beyond 2^64", { seed: 2n ** 64n }, /^seed is 18446744073709551616n \(a bigint\); expected/],
    ["a seed that a number cannot hold", { seed: 2 ** 60 }, /^seed is 11529215046068\d+; expected .*beyond 2\^53 as a bigint/],
    ["half a seed", { seed: 0.5 }, /^seed is 0\.5; expected/],
    [
      "fewer seeds than pictures",
      { seed: [1], numImagesPerPrompt: 2 },
      /^1 seeds were given for 2 pictures; expected one, or one for each$/,
    ],
    ["fewer generators than pictures", { generator: [new Generator(1)], numImagesPerPrompt: 2 }, /^1 generators were given for 2 pictures/],
    ["both seed and generator", { seed: 1, generator: new Generator(1) }, /^both seed and generator were given/],
    ["0 pictures", { numImagesPerPrompt: 0 }, /^numImagesPerPrompt is 0;/],
    ["neither prompt nor embeddings", { prompt: undefined }, /^neither prompt nor promptEmbeds was given/],
    ["both prompt and embeddings", { promptEmbeds }, /^both prompt and promptEmbeds were given/],
    ["no prompts", { prompt: [] }, /^prompt is \[\] \(a list\); expected a text or a list of texts$/],
    ["a prompt that is no text", { prompt: 5 as unknown as string }, /^prompt is 5 \(a number\);/],
    [
      "both negative prompt and embeddings",
      { negativePrompt: "", negativePromptEmbeds: promptEmbeds },
      /^both negativePrompt and negativePromptEmbeds were given/,
    ],
    [
      "negative prompts for another number of prompts",
      { prompt: ["a", "b", "c"], negativePrompt: ["x", "y"] },
      /^2 negative prompts were given for 3 prompts/,
    ],
    [
      "embeddings of another width",
      { prompt: undefined, promptEmbeds: Tensor.zeros([1, 32, 768]), negativePromptEmbeds: Tensor.zeros([1, 32, 768]) },
      /^promptEmbeds is \[1, 32, 768\]; expected \[batch, tokens, 128\]$/,
    ],
    [
      "embeddings without a batch",
      { prompt: undefined, promptEmbeds: Tensor.zeros([32, 128]) },
      /^promptEmbeds is \[32, 128\]; expected \[batch, tokens, 128\]$/,
    ],
    [
      "negative embeddings of another shape",
      { prompt: undefined, promptEmbeds, negativePromptEmbeds: Tensor.zeros([1, 16, 128]) },
      /negativePromptEmbeds are \[1,16,128\] and promptEmbeds \[1,32,128\]/,
    ],
    ["latents of another size", { latents, width: 32 }, /^latents are \[1,8,16,16\]; expected \[1,8,16,4\]$/],
    ["latents for another batch", { latents, numImagesPerPrompt: 2 }, /^latents are \[1,8,16,16\]; expected \[2,8,16,16\]$/],
    ["an unknown outputType", { outputType: "pil" as "image" }, /^outputType is "pil"; expected one of image, tensor, np, uint8, latent$/],
    ["more layers left out than there are", { clipSkip: 3 }, /^clipSkip is 3; expected a whole number from 0 to 2$/],
    ["a negative number of layers left out", { clipSkip: -1 }, /^clipSkip is -1;/],
  ])("%s", async (_, request, message) => {
    const work = pipe.generate({ ...FOX, ...("generator" in request && !("seed" in request) && { seed: undefined }), ...request });
    await expect(work).rejects.toThrow(ArgumentError);
    await expect(work).rejects.toThrow(message);
  });

  it("before anything is computed, with the nearest possible size", async () => {
    const error: unknown = await pipe.generate({ ...FOX, width: 65 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ hint: "the nearest is 64" });
  });
});

describe("a batch", () => {
  it("with one generator draws all noise at once, as in diffusers", async () => {
    const noise = randn([2, 8, 16, 16], new Generator(1));
    const batch = await latentsOf({ ...FOX, numImagesPerPrompt: 2 });
    const alone = concat([await latentsOf({ ...FOX, latents: row(noise, 0) }), await latentsOf({ ...FOX, latents: row(noise, 1) })]);
    expect(largestDifference(batch, alone)).toBeLessThan(CLOSE);
  });
});
