import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { CLIPTextModel } from "../../src/models/clip-text.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionControlNetPipeline } from "../../src/pipelines/stable-diffusion-controlnet.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-img2img.js";
import { schedulerFromConfig } from "../../src/schedulers/registry.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose, largestDifference } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";

interface PromptFixture {
  readonly plain: readonly {
    readonly prompt: string | readonly string[];
    readonly negative_prompt?: string | readonly string[];
    readonly num_images_per_prompt?: number;
    readonly clip_skip?: number;
    readonly do_classifier_free_guidance: boolean;
  }[];
  readonly weighted: readonly { readonly prompt: string; readonly clip_skip?: number }[];
  readonly pictures: readonly { readonly prompt: string; readonly scheduler: string; readonly steps: number; readonly seed: number }[];
}

const SHORT = { numInferenceSteps: 2, seed: 5, outputType: "latent" } as const;
const SIZE = { ...SHORT, height: 32, width: 32 } as const;
const A1111 = { ...SIZE, promptSyntax: "a1111" } as const;
/** Where the picture that a call begins with gives the size. */
const A1111_OF_IMAGE = { ...SHORT, promptSyntax: "a1111" } as const;
const LONG = "a red fox in the snow, blue eyes, oil painting, ".repeat(12);

let sd: StableDiffusionPipeline;
let xl: StableDiffusionXLPipeline;
beforeAll(async () => {
  sd = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu", safetyChecker: null });
  xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device: "cpu" });
});
afterAll(async () => {
  await sd.dispose();
  await xl.dispose();
});

const latentsOf = async (request: Parameters<StableDiffusionPipeline["generate"]>[0]) =>
  (await sd.generate({ ...request, outputType: "latent" })).images;

describe.each(["sd1-mini", "sd2-mini", "sdxl-base-mini"])("embeddings of %s", (name) => {
  const { meta, tensor } = readFixture<PromptFixture>("prompts", name);
  let pipe: StableDiffusionPipeline | StableDiffusionXLPipeline;
  beforeAll(async () => {
    const opened = await DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu", safetyChecker: null });
    pipe = opened as typeof pipe;
  });
  afterAll(() => pipe.dispose());
  const expectEmbeds = (found: object, prefix: string, names: readonly string[]) => {
    const fields = found as Readonly<Record<string, Tensor>>;
    for (const field of names) {
      const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      expectClose(fields[field] as Tensor, tensor(`${prefix}.${snake}`));
    }
  };
  const positive = name.startsWith("sdxl") ? ["promptEmbeds", "pooledPromptEmbeds"] : ["promptEmbeds"];
  const negative = name.startsWith("sdxl") ? ["negativePromptEmbeds", "negativePooledPromptEmbeds"] : ["negativePromptEmbeds"];

  it.each(meta.plain.map((call, i) => [JSON.stringify(call), call, i] as const))("are diffusers' for %s", async (_, call, i) => {
    const isGuided = call.do_classifier_free_guidance;
    const embeds = await pipe.encodePrompt({
      prompt: call.prompt,
      negativePrompt: call.negative_prompt,
      numImagesPerPrompt: call.num_images_per_prompt,
      clipSkip: call.clip_skip,
      doClassifierFreeGuidance: isGuided,
    });
    expectEmbeds(embeds, `plain.${i}`, isGuided ? [...positive, ...negative] : positive);
    expect("negativePromptEmbeds" in embeds).toBe(isGuided);
  });

  it.each(meta.weighted.map((call, i) => [call.prompt.slice(0, 60), call, i] as const))(
    "are AUTOMATIC1111's for %j",
    async (_, call, i) => {
      const embeds = await pipe.encodePrompt({ prompt: call.prompt, clipSkip: call.clip_skip, promptSyntax: "a1111", guidanceScale: 1 });
      expectEmbeds(embeds, `weighted.${i}`, positive);
    },
  );
});

describe("a prompt that changes with the step", () => {
  const { meta, tensor } = readFixture<PromptFixture>("prompts", "sd1-mini");

  it.each(meta.pictures.map((call, i) => [call.prompt, call.scheduler, call, i] as const))(
    "%s makes Python's picture with %s",
    async (prompt, scheduler, { steps, seed }, i) => {
      const pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu", safetyChecker: null });
      onTestFinished(() => pipe.dispose());
      pipe.scheduler = schedulerFromConfig({ ...pipe.scheduler.config, _className: scheduler });
      const request = { prompt, seed, numInferenceSteps: steps, height: 32, width: 32, promptSyntax: "a1111" } as const;
      const { images } = await pipe.generate({ ...request, outputType: "tensor" });
      const expected = tensor(`pictures.${i}`);
      const [batch = 0, height = 0, width = 0] = expected.shape;
      const channelsFirst = Float32Array.from({ length: expected.size }, (_, at) => {
        const [channel, pixel] = [Math.floor(at / (height * width)), at % (height * width)];
        return Number(expected.data[pixel * 3 + channel]);
      });
      expectClose(images, new Tensor("float32", [batch, 3, height, width], channelsFirst), 1 / 255);
    },
  );

  it("has only its first text if the run ends before the change", async () => {
    const found = await latentsOf({ ...A1111, prompt: "a red [fox:house:2]" });
    expect(found).toEqual(await latentsOf({ ...A1111, prompt: "a red fox" }));
  });

  it("counts steps from the first one of an img2img call", async () => {
    const pipe = new StableDiffusionImg2ImgPipeline({ ...sd, tokenizer: sd.tokenizer });
    const image = Tensor.zeros([1, 3, 32, 32]);
    const latents = async (prompt: string) =>
      (await pipe.generate({ ...A1111_OF_IMAGE, prompt, image, strength: 0.5, numInferenceSteps: 4 })).images;
    // Two steps are walked, and a half of them is one.
    expect(await latents("a [fox:house:0.5]")).toEqual(await latents("a [fox:house:1]"));
    expect(await latents("a [fox:house:2]")).toEqual(await latents("a fox"));
    expect(await latents("a [fox:house:1]")).not.toEqual(await latents("a fox"));
  });

  it("may be a negative prompt, or one of a batch", async () => {
    const request = { ...A1111, seed: [1, 2], negativePrompt: ["[blue|green]", "blurry"], prompt: ["a fox", "a [house:tree:1]"] };
    const both = await latentsOf(request);
    const single = await latentsOf({ ...request, seed: 2, negativePrompt: "blurry", prompt: "a [house:tree:1]" });
    expect(largestDifference(both.slice(1, 2), single)).toBeLessThan(1e-3);
  });

  it("encodes every text once", async () => {
    let runs = 0;
    const forward = CLIPTextModel.prototype.forward;
    CLIPTextModel.prototype.forward = function (...given) {
      runs++;
      return forward.apply(this, given);
    };
    onTestFinished(() => {
      CLIPTextModel.prototype.forward = forward;
    });
    // Words that no other test reads: the pipeline keeps the features of prompts.
    await latentsOf({ ...A1111, prompt: "an old [fox|house]", negativePrompt: "new", numInferenceSteps: 6 });
    expect(runs).toBe(3);
  });
});

describe("prompts as AUTOMATIC1111 reads them", () => {
  it("make the plain picture if they have no syntax", async () => {
    expect(await latentsOf({ ...A1111, prompt: "a red fox" })).toEqual(await latentsOf({ ...SIZE, prompt: "a red fox" }));
  });

  it("are not cut, and give no warning", async () => {
    const warnings = collectWarnings();
    const found = await latentsOf({ ...A1111, prompt: LONG });
    expect(warnings).toEqual([]);
    expect(found).not.toEqual(await latentsOf({ ...A1111, prompt: LONG.slice(0, 300) }));
  });

  it("are filled up if prompt and negative prompt differ in length", async () => {
    const long = await sd.encodePrompt({ prompt: "a fox", negativePrompt: LONG, promptSyntax: "a1111" });
    const empty = await sd.encodePrompt({ prompt: "", guidanceScale: 1 });
    expect(long.promptEmbeds.shape[1]).toBe(long.negativePromptEmbeds?.shape[1]);
    const width = long.promptEmbeds.shape[2] ?? 0;
    expect(long.promptEmbeds.data.slice(77 * width, 2 * 77 * width)).toEqual(empty.promptEmbeds.data);
  });

  it("are filled up to the length of given embeddings", async () => {
    const { promptEmbeds } = await sd.encodePrompt({ prompt: LONG, promptSyntax: "a1111", guidanceScale: 1 });
    const found = await latentsOf({ ...A1111, promptEmbeds, negativePrompt: "blue" });
    expect(found).toEqual(await latentsOf({ ...A1111, prompt: LONG, negativePrompt: "blue" }));
  });

  it("skip layers of the encoder for the negative prompt, too", async () => {
    const embeds = await sd.encodePrompt({ prompt: "a fox", negativePrompt: "a fox", clipSkip: 1, promptSyntax: "a1111" });
    expect(embeds.negativePromptEmbeds).toEqual(embeds.promptEmbeds);
  });

  it("may be long and weighted in every pipeline", async () => {
    const texts = { prompt: `(fox:1.2) [a|b] ${LONG}`, negativePrompt: "[blurry]" };
    const [request, ofImage] = [
      { ...A1111, ...texts },
      { ...A1111_OF_IMAGE, ...texts },
    ];
    const image = Tensor.zeros([1, 3, 32, 32]);
    const controlnet = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device: "cpu" });
    onTestFinished(() => controlnet.dispose());
    const shapes = [
      await new StableDiffusionImg2ImgPipeline({ ...sd }).generate({ ...ofImage, image, strength: 1 }),
      await new StableDiffusionInpaintPipeline({ ...sd }).generate({ ...request, image, maskImage: Tensor.full([1, 1, 32, 32], 1) }),
      await new StableDiffusionControlNetPipeline({ ...sd, controlnet }).generate({ ...request, image }),
      await xl.generate(request),
      await new StableDiffusionXLImg2ImgPipeline({ ...xl }).generate({ ...ofImage, image, strength: 1 }),
    ].map(({ images }) => images.shape);
    expect(new Set(shapes.map(String)).size).toBe(1);
  });

  it.each<[string, string, RegExp]>([
    ["AND", "a fox AND a house:1.2", /joins several prompts with AND/],
    ["a LoRA's tag", "a fox <lora:style:0.8>", /^the prompt has the tag <lora:style:0\.8>$/],
    ["brackets without end", "(".repeat(100_000), /brackets open at once/],
    ["weights without sense", `(fox:${"9".repeat(300)})`, /weights of the prompt are too large/],
  ])("are refused with %s", async (_, prompt, message) => {
    const work = sd.generate({ ...A1111, prompt });
    await expect(work).rejects.toThrow(ArgumentError);
    await expect(work).rejects.toThrow(message);
  });

  it("are refused with an unknown syntax", async () => {
    const work = sd.generate({ ...SIZE, prompt: "a", promptSyntax: "compel" as "plain" });
    await expect(work).rejects.toThrow('promptSyntax is "compel"; expected one of plain, a1111');
  });
});

describe("encodePrompt", () => {
  it.each(["plain", "a1111"] as const)("gives features that make exactly the same picture, %s", async (promptSyntax) => {
    const prompts = { prompt: ["a (red:1.3) fox", "a house"], negativePrompt: "blurry", promptSyntax, numImagesPerPrompt: 2 };
    const embeds = await sd.encodePrompt(prompts);
    expect(await latentsOf({ ...SIZE, ...embeds })).toEqual(await latentsOf({ ...SIZE, ...prompts }));
  });

  it.each([undefined, "blurry"])(
    "gives features that make the same picture with XL, with the negative prompt %s",
    async (negativePrompt) => {
      const prompts = { prompt: "a red fox", prompt2: "oil painting", negativePrompt };
      const embeds = await xl.encodePrompt(prompts);
      const found = await xl.generate({ ...SIZE, ...embeds });
      expect(found.images).toEqual((await xl.generate({ ...SIZE, ...prompts })).images);
    },
  );

  it("refuses a prompt that changes with the step", async () => {
    const work = sd.encodePrompt({ prompt: "a [fox:house:0.5]", promptSyntax: "a1111" });
    await expect(work).rejects.toThrow(ArgumentError);
    await expect(work).rejects.toThrow(/changes with the step: "a \[fox:house:0\.5\]"/);
  });

  it("needs no negative prompt without guidance", async () => {
    expect(Object.keys(await xl.encodePrompt({ prompt: "a", guidanceScale: 1 }))).toEqual(["promptEmbeds", "pooledPromptEmbeds"]);
  });

  it("refuses embeddings of another width", async () => {
    const embeds = { promptEmbeds: Tensor.zeros([1, 77, 32]), pooledPromptEmbeds: Tensor.zeros([1, 24]) };
    await expect(xl.generate({ ...SIZE, ...embeds })).rejects.toThrow("promptEmbeds is [1, 77, 32]; expected [batch, tokens, 64]");
  });
});
