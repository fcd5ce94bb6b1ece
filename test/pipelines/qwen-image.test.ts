import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError, QwenImageImg2ImgPipeline, QwenImagePipeline, type Tensor } from "../../src/index.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor as Numbers } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";

describe("Qwen-Image with features in place of prompts", () => {
  let pipe: QwenImagePipeline;
  beforeAll(async () => {
    pipe = await QwenImagePipeline.fromPretrained(checkpoint("qwen-image-mini"), { textEncoder: null, tokenizer: null });
  });
  afterAll(() => pipe.dispose());

  const features = (seed: number, tokens: number) => randn([1, tokens, 32], new Generator(seed));
  const request = { numInferenceSteps: 2, height: 24, width: 40, seed: 0, outputType: "latent" } as const;
  const [fox, tree] = [features(1, 9), features(2, 4)];

  it("makes the same pictures of features with and without padding", async () => {
    const padded = Numbers.from([...fox.data, ...randn([2 * 32], new Generator(5)).data], [1, 11, 32]);
    const promptEmbedsMask = Numbers.from([1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0], [1, 11]);
    const { images: whole } = await pipe.generate({ ...request, promptEmbeds: fox });
    const { images } = await pipe.generate({ ...request, promptEmbeds: padded, promptEmbedsMask });
    expect(largestDifference(images, whole)).toBeLessThan(1e-5);
  });

  it("guides with features of a negative prompt, and gives each token the length of the prompt's prediction", async () => {
    const first = async (guidance: object): Promise<Tensor> => {
      for await (const { latents } of pipe.steps({ ...request, promptEmbeds: fox, ...guidance })) return latents;
      throw new Error("there was no step");
    };
    const plain = await first({});
    const images = await first({ negativePromptEmbeds: tree, trueCfgScale: 3 });
    expect(largestDifference(images, plain)).toBeGreaterThan(1e-3);
    const start = pack(randn([1, 4, 6, 10], new Generator(0)));
    const lengths = (x: Tensor) => tokenLengths(x.sub(start));
    for (const [i, length] of lengths(images).entries()) expect(length).toBeCloseTo(lengths(plain)[i] as number, 3);
  });

  it("makes several pictures for each prompt, and rounds sizes down with a warning", async () => {
    const warnings = collectWarnings();
    const { images } = await pipe.generate({ ...request, promptEmbeds: fox, numImagesPerPrompt: 2, height: 30, width: 41, seed: [3, 4] });
    expect(images.shape).toEqual([2, 15, 16]);
    expect(warnings.join()).toContain("41x30 pixels are not multiples of 8, so the picture has 40x24");
    const { images: second } = await pipe.generate({ ...request, promptEmbeds: fox, seed: 4 });
    expect(largestDifference(images.slice(1, 2), second)).toBeLessThan(1e-5);
  });

  it("says what has no effect", async () => {
    const warnings = collectWarnings();
    await pipe.generate({ ...request, promptEmbeds: fox, trueCfgScale: 3 });
    await pipe.generate({ ...request, promptEmbeds: fox, negativePromptEmbeds: tree, trueCfgScale: 1 });
    await pipe.generate({ ...request, promptEmbeds: fox, guidanceScale: 3 });
    expect(warnings).toEqual([
      expect.stringContaining("there is no guidance without negativePrompt"),
      expect.stringContaining("negativePrompt has no effect"),
      expect.stringContaining("guidanceScale has no effect"),
    ]);
  });

  it("starts from a picture with the share of the steps that strength says", async () => {
    const again = await QwenImageImg2ImgPipeline.fromPipe(pipe);
    const image = randn([1, 3, 24, 40], new Generator(3)).mul(0.2).add(0.5).clamp(0, 1);
    const { images } = await again.generate({ ...request, promptEmbeds: fox, image, strength: 0.6, numInferenceSteps: 5 });
    expect(images.shape).toEqual([1, 15, 16]);
    const { images: other } = await again.generate({ ...request, promptEmbeds: fox, image, strength: 0.2, numInferenceSteps: 5 });
    expect(largestDifference(images, other)).toBeGreaterThan(1e-2);
  });

  it("needs features of one width, and masks of their shape", async () => {
    const wrong = pipe.generate({ ...request, promptEmbeds: randn([1, 4, 31], new Generator(0)) });
    await expect(wrong).rejects.toThrow("promptEmbeds is [1, 4, 31]; expected [batch, tokens, 32]");
    const masked = pipe.generate({ ...request, promptEmbeds: fox, promptEmbedsMask: Numbers.zeros([1, 8]) });
    await expect(masked).rejects.toThrow("promptEmbedsMask is [1, 8]; expected [1, 9]");
    await expect(pipe.generate({ ...request, prompt: "a fox" })).rejects.toThrow(ArgumentError);
  });
});

/** Latents as tokens of 2 x 2. */
function pack(latents: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = latents.shape;
  const squares = latents.reshape([batch, channels, height / 2, 2, width / 2, 2]).permute(0, 2, 4, 1, 3, 5);
  return squares.reshape([batch, (height / 2) * (width / 2), channels * 4]);
}

function tokenLengths(x: Tensor): number[] {
  const width = x.shape.at(-1) ?? 1;
  return Array.from({ length: x.size / width }, (_, i) => Math.hypot(...x.data.subarray(i * width, (i + 1) * width)));
}
