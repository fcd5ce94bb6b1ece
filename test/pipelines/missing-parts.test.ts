import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import {
  StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLPipeline,
} from "../../src/index.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";

const CALL = { numInferenceSteps: 2, seed: 1, outputType: "latent" } as const;
const CPU = { device: "cpu", safetyChecker: null } as const;
const NOTHING = [null, null];

describe("a Stable Diffusion pipeline", () => {
  let whole: StableDiffusionPipeline;
  let latents: Tensor;
  const made: AsyncDisposable[] = [];
  const keep = <Part extends AsyncDisposable>(part: Part) => {
    made.push(part);
    return part;
  };
  beforeAll(async () => {
    whole = keep(await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), CPU));
    latents = (await whole.generate({ ...CALL, prompt: "a fox" })).images;
  });
  afterAll(async () => {
    for (const part of made) await part[Symbol.asyncDispose]();
  });

  it.each<[string, () => Promise<StableDiffusionPipeline>]>([
    [
      "given null for them",
      () => StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...CPU, textEncoder: null, tokenizer: null }),
    ],
    [
      "whose model_index.json has null for them",
      () =>
        StableDiffusionPipeline.fromPretrained(
          changedCheckpoint("sd1-mini", "model_index.json", { text_encoder: NOTHING, tokenizer: NOTHING }),
          CPU,
        ),
    ],
  ])("without text encoder and tokenizer makes the same of features: one %s", async (_, open) => {
    const pipe = keep(await open());
    const embeds = await whole.encodePrompt({ prompt: "a fox" });
    expect((await pipe.generate({ ...CALL, ...embeds })).images.toArray()).toEqual(latents.toArray());
    const hint = expect.stringMatching(
      /^give promptEmbeds in place of prompt .*, or open the pipeline with its textEncoder and tokenizer$/,
    );
    const refusal = { message: "this pipeline has no textEncoder and no tokenizer, so it cannot read prompts or negative prompts", hint };
    await expect(pipe.generate({ ...CALL, prompt: "a fox" })).rejects.toMatchObject({ name: "ArgumentError", ...refusal });
    await expect(pipe.generate({ ...CALL, promptEmbeds: embeds.promptEmbeds })).rejects.toMatchObject(refusal);
    await expect(pipe.encodePrompt({ prompt: "a fox" })).rejects.toMatchObject(refusal);
    await expect(pipe.loadTextualInversion("any.safetensors")).rejects.toMatchObject(refusal);
    expect((await pipe.generate({ ...CALL, promptEmbeds: embeds.promptEmbeds, guidanceScale: 1 })).images.shape).toEqual([1, 4, 16, 16]);
  });

  it("without a VAE makes latents with one latent for 8 pixels a side, as in diffusers", async () => {
    const pipe = new StableDiffusionPipeline({ ...whole, vae: null });
    expect(pipe.vaeScaleFactor).toBe(8);
    expect((await pipe.generate({ ...CALL, prompt: "a fox" })).images.toArray()).toEqual(latents.toArray());
    expect((await pipe.generate({ ...CALL, prompt: "a fox", height: 64, width: 48 })).images.shape).toEqual([1, 4, 8, 6]);
    const given = { ...CALL, prompt: "a fox", latents: Tensor.full([1, 4, 16, 16], 0.5) };
    expect((await pipe.generate(given)).images.toArray()).toEqual((await whole.generate(given)).images.toArray());
  });

  it("without a VAE refuses pictures before it computes anything", async () => {
    const pipe = keep(
      await StableDiffusionPipeline.fromPretrained(changedCheckpoint("sd1-mini", "model_index.json", { vae: NOTHING }), CPU),
    );
    const run = pipe.steps({ ...CALL, prompt: "a fox", outputType: "image" });
    await expect(run.next()).rejects.toMatchObject({
      name: "ArgumentError",
      argument: "vae",
      message: "this pipeline has no vae, which turns latents into pictures and pictures into latents",
      hint: 'ask for outputType "latent", or give one: fromPretrained(path, { vae })',
    });
    for await (const step of pipe.steps({ ...CALL, prompt: "a fox" }))
      await expect(step.preview()).rejects.toThrow("this pipeline has no vae");
    expect(() => pipe.enableVaeTiling()).toThrow(ArgumentError);
  });

  it("without a VAE continues from latents, but not from pictures", async () => {
    const start = Tensor.full([1, 4, 16, 16], 0.3);
    const call = { ...CALL, prompt: "a fox", strength: 0.5, numInferenceSteps: 4 };
    const picture = Tensor.zeros([1, 3, 64, 64]);
    const pipe = new StableDiffusionImg2ImgPipeline({ ...whole, vae: null });
    const expected = await new StableDiffusionImg2ImgPipeline({ ...whole }).generate({ ...call, image: start });
    expect((await pipe.generate({ ...call, image: start })).images.toArray()).toEqual(expected.images.toArray());
    await expect(pipe.generate({ ...call, image: picture })).rejects.toMatchObject({
      hint: expect.stringMatching(/^give latents in place of pictures,/),
    });
    const inpaint = new StableDiffusionInpaintPipeline({ ...whole, vae: null });
    const maskImage = Tensor.full([1, 1, 64, 64], 1);
    await expect(inpaint.generate({ ...call, image: picture, maskImage, height: 64, width: 64 })).rejects.toThrow(
      "this pipeline has no vae",
    );
  });

  it.each(["unet", "scheduler"])("does not open without its %s", async (part) => {
    await expect(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { ...CPU, [part]: null })).rejects.toMatchObject({
      name: "ArgumentError",
      message: expect.stringMatching(`^${part} is null; expected a `),
      argument: part,
    });
    const folder = changedCheckpoint("sd1-mini", "model_index.json", { [part]: NOTHING });
    await expect(StableDiffusionPipeline.fromPretrained(folder, CPU)).rejects.toThrow(
      `lists no ${part}; StableDiffusionPipeline needs one`,
    );
  });
});

describe("a Stable Diffusion XL pipeline", () => {
  let whole: StableDiffusionXLPipeline;
  const request = { ...CALL, height: 32, width: 32 };
  beforeAll(async () => {
    whole = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device: "cpu" });
  });
  afterAll(() => whole.dispose());

  it("without text encoders makes the same picture from features, with and without negative ones", async () => {
    const pipe = new StableDiffusionXLPipeline({ ...whole, textEncoder: null, textEncoder2: null, tokenizer: null, tokenizer2: null });
    for (const negativePrompt of ["blurry", undefined]) {
      const embeds = await whole.encodePrompt({ prompt: "a fox", negativePrompt });
      const expected = await whole.generate({ ...request, prompt: "a fox", negativePrompt });
      expect((await pipe.generate({ ...request, ...embeds })).images.toArray()).toEqual(expected.images.toArray());
    }
    const { promptEmbeds, pooledPromptEmbeds } = await whole.encodePrompt({ prompt: "a fox", guidanceScale: 1 });
    expect((await pipe.generate({ ...request, promptEmbeds, pooledPromptEmbeds })).images.shape).toEqual([1, 4, 16, 16]);
    await expect(pipe.generate({ ...request, prompt: "a fox" })).rejects.toThrow(
      "this pipeline has no textEncoder and no tokenizer and no textEncoder2 and no tokenizer2, so it cannot read prompts",
    );
  });

  it.each([
    [{ textEncoder: null }, "textEncoder"],
    [{ tokenizer: null }, "tokenizer"],
    [{ textEncoder2: null }, "textEncoder2"],
    [{ tokenizer2: null }, "tokenizer2"],
    [{ textEncoder2: null, tokenizer2: null }, "textEncoder2 and no tokenizer2"],
  ])("with %j names what it cannot read prompts without", async (parts, missing) => {
    const pipe = new StableDiffusionXLPipeline({ ...whole, ...parts });
    await expect(pipe.generate({ ...request, prompt: "a fox" })).rejects.toThrow(
      `this pipeline has no ${missing}, so it cannot read prompts or negative prompts`,
    );
  });

  it("without a VAE makes latents", async () => {
    const pipe = new StableDiffusionXLPipeline({ ...whole, vae: null });
    expect((await pipe.generate({ ...CALL, prompt: "a fox", height: 64, width: 64 })).images.shape).toEqual([1, 4, 8, 8]);
    await expect(pipe.generate({ ...CALL, prompt: "a fox", outputType: "tensor" })).rejects.toThrow("this pipeline has no vae");
  });
});
