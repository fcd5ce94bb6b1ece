import { describe, expect, it } from "vitest";
import type { Autoencoder } from "../../src/models/autoencoder.js";
import { MemorySaving } from "../../src/models/tiling.js";
import { type Fields, tensor } from "../../src/options/fields.js";
import { GUIDANCE_FIELDS, LATENT_DIFFUSION_FIELDS, type LatentDiffusionRequest } from "../../src/pipelines/latent-diffusion-request.js";
import { conditionOn } from "../../src/pipelines/prompt/conditioning.js";
import { PROMPT_INPUT_FIELDS, type Prompted, type PromptInput, promptCount } from "../../src/pipelines/prompt/prompt-options.js";
import {
  type EncodedPrompt,
  type EncodingFor,
  joinRows,
  mapFeatures,
  type TextEncoders,
} from "../../src/pipelines/prompt/text-encoders.js";
import { SIZE_FIELDS, type Size, type SizeOptions } from "../../src/pipelines/shared/arguments.js";
import type { Call, Denoised } from "../../src/pipelines/shared/call.js";
import type { Denoiser, DenoiserOutput, DenoisingNetwork } from "../../src/pipelines/shared/denoiser.js";
import { initialLatents } from "../../src/pipelines/shared/latents.js";
import { packLatents, unpackLatents } from "../../src/pipelines/shared/packing.js";
import { constant, type PerStep } from "../../src/pipelines/shared/per-step.js";
import type { DenoisingStep } from "../../src/pipelines/shared/pipeline-run.js";
import { predictor } from "../../src/pipelines/shared/predictor.js";
import { type PlannedRun, type Predictions, TransformerPipeline } from "../../src/pipelines/transformer-pipeline.js";
import { CallQueue } from "../../src/runtime/call-queue.js";
import { FlowMatchEulerDiscreteScheduler } from "../../src/schedulers/flow-match-euler-discrete.js";
import { Generator } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";

// A pipeline of another kind than Stable Diffusion's, in small: a transformer that predicts the velocity of packed latents, text encoders
// with a mask, flow matching with custom sigmas and a shift by the number of tokens, an autoencoder with a shift. The prompt is a number:
// the latents to be made.

/** Pixels per latent along each side. */
const FACTOR = 2;
const CHANNELS = 4;
const SCALE = { scalingFactor: 2, shiftFactor: 0.25 };

type Features = { readonly promptEmbeds: Tensor; readonly promptEmbedsMask: Tensor };

interface TransformerInputs {
  /** [rows, tokens, 1] */
  readonly encoderHiddenStates: Tensor;
  /** [rows, tokens] */
  readonly encoderMask: Tensor;
  /** [batch] */
  readonly guidance: Tensor;
}

/** Predicts the velocity from noise to latents that are everywhere the number of the text. */
class FakeTransformer implements DenoisingNetwork, Denoiser<TransformerInputs> {
  readonly device = "cpu";
  readonly precision = "exact";
  readonly queue = new CallQueue();
  readonly calls: { readonly timestep: number; readonly latents: Tensor; readonly inputs: TransformerInputs }[] = [];
  slice: unknown;
  rests = 0;

  async forward(latents: Tensor, timestep: number, inputs: TransformerInputs): Promise<DenoiserOutput> {
    this.calls.push({ timestep, latents, inputs });
    const [rows = 0, tokens = 0] = inputs.encoderMask.shape;
    const batch = latents.shape[0] ?? 1;
    const velocity = Array.from({ length: rows }, (_, row) => {
      const masked = Array.from({ length: tokens }, (_, i) => row * tokens + i).filter((i) => inputs.encoderMask.data[i] === 1);
      const target = inputs.encoderHiddenStates.data[masked[0] ?? 0] ?? 0;
      return latents.slice(row % batch, (row % batch) + 1).map((value) => (value - target) / (timestep / 1000));
    });
    return { sample: concat(velocity) };
  }

  setAttentionSlice(slice: unknown): void {
    this.slice = slice;
  }

  async rest(): Promise<void> {
    this.rests++;
  }
}

/** Reads numbers: a text of n letters has n tokens, which are filled up to the longest text; the mask tells them apart. */
class NumberEncoders implements TextEncoders<FlowRequest, Features> {
  async encode(options: FlowRequest, { isGuided }: EncodingFor): Promise<PerStep<EncodedPrompt<Features>>> {
    const { prompt, negativePrompt = "0", promptEmbeds, promptEmbedsMask, numImagesPerPrompt = 1 } = options as FlowOptions;
    const texts = [prompt ?? []].flat();
    const negatives = Array.from({ length: promptCount(options) }, () => String(negativePrompt));
    const length = Math.max(...[...texts, ...negatives].map((text) => text.length), promptEmbeds?.shape[1] ?? 0);
    const encode = (all: readonly string[]): Features => ({
      promptEmbeds: concat(all.map((text) => Tensor.full([1, length, 1], Number(text)))),
      promptEmbedsMask: concat(
        all.map((text) =>
          Tensor.from(
            Float32Array.from({ length }, (_, i) => Number(i < text.length)),
            [1, length],
          ),
        ),
      ),
    });
    const given = promptEmbeds && promptEmbedsMask && { promptEmbeds, promptEmbedsMask };
    const repeated = (features: Features) => mapFeatures(features, (each) => each.repeatInterleave(numImagesPerPrompt));
    return constant({ positive: repeated(given ?? encode(texts)), ...(isGuided && { negative: repeated(encode(negatives)) }) });
  }
}

/** Keeps the latents it decodes; pictures are their first three channels, enlarged. */
class FakeVae implements Autoencoder {
  readonly config = { ...SCALE, latentChannels: CHANNELS, forceUpcast: false };
  readonly memory = new MemorySaving();
  readonly scaleFactor = FACTOR;
  readonly decoded: Tensor[] = [];

  encode(): never {
    throw new Error("nothing is encoded");
  }

  async decode(latents: Tensor) {
    this.decoded.push(latents);
    const [batch = 0, , height = 0, width = 0] = latents.shape;
    return { sample: Tensor.full([batch, 3, height * FACTOR, width * FACTOR], latents.data[0] ?? 0) };
  }

  async dispose(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

interface FlowOptions extends LatentDiffusionRequest, SizeOptions {
  readonly promptEmbedsMask?: Tensor | undefined;
  readonly negativePromptEmbedsMask?: Tensor | undefined;
}

type FlowRequest = Prompted<FlowOptions>;

const FIELDS: Fields<FlowOptions> = {
  ...LATENT_DIFFUSION_FIELDS,
  ...SIZE_FIELDS,
  promptEmbedsMask: tensor,
  negativePromptEmbedsMask: tensor,
};

class FlowPipeline extends TransformerPipeline<FlowRequest, FakeTransformer> {
  readonly className = "FlowPipeline";
  protected readonly fields = FIELDS;
  protected readonly defaults = { steps: 4, guidance: 1 };
  protected readonly noiseChannels = CHANNELS;
  protected override readonly takesPackedNoise = true;

  protected override get nativeSize(): Size {
    return { height: 16, width: 16 };
  }

  protected override mu(tokens: number): number {
    return tokens / 16;
  }

  constructor(transformer: FakeTransformer, vae: Autoencoder) {
    super({ transformer, vae, scheduler: new FlowMatchEulerDiscreteScheduler({ useDynamicShifting: true }) });
  }

  protected get textEncoders(): NumberEncoders {
    return new NumberEncoders();
  }

  protected override pack(latents: Tensor): Tensor {
    return packLatents(latents);
  }

  protected override unpack(tokens: Tensor, { height, width }: Size): Tensor {
    return unpackLatents(tokens, [height / FACTOR, width / FACTOR]);
  }

  encodePrompt(options: PromptInput): Promise<Features> {
    return this.embed(options, { ...PROMPT_INPUT_FIELDS, ...GUIDANCE_FIELDS });
  }

  protected blankFeatures(): never {
    throw new Error("this transformer needs no memory");
  }

  protected async predictions(call: Call<FlowRequest>, { timesteps }: PlannedRun): Promise<Predictions> {
    const conditioning = await conditionOn(this.textEncoders, call, timesteps, ({ positive, negative }, guidanceScale) => {
      const { promptEmbeds, promptEmbedsMask } = negative ? joinRows([negative, positive]) : positive;
      return { encoderHiddenStates: promptEmbeds, encoderMask: promptEmbedsMask, guidance: Tensor.full([call.batch], guidanceScale) };
    });
    return { predict: predictor(this.transformer, call, conditioning), steerable: [conditioning] };
  }

  protected denoise(call: Call<FlowRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}

function open() {
  const [transformer, vae] = [new FakeTransformer(), new FakeVae()];
  return { pipe: new FlowPipeline(transformer, vae), transformer, vae };
}

function expectAll({ data }: Tensor, expected: number): void {
  for (const value of data) expect(value).toBeCloseTo(expected, 4);
}

describe("a pipeline with a transformer, packed latents and flow matching", () => {
  it("denoises tokens, and decodes them unpacked, unscaled and with the shift", async () => {
    const { pipe, transformer, vae } = open();
    const { images } = await pipe.generate({ prompt: "1", seed: 1, height: 8, width: 16, outputType: "tensor" });
    expect(transformer.calls.map(({ latents }) => latents.shape)).toEqual(Array.from({ length: 4 }, () => [1, 8, 16]));
    expect(vae.decoded.map(({ shape }) => shape)).toEqual([[1, CHANNELS, 4, 8]]);
    expectAll(vae.decoded[0] as Tensor, 1 / SCALE.scalingFactor + SCALE.shiftFactor);
    expect(images.shape).toEqual([1, 3, 8, 16]);
    expectAll(images, 0.75 / 2 + 0.5);
    expect(transformer.rests).toBe(1);
  });

  it("packs noise that was drawn in the autoencoder's layout; unpacking restores it", async () => {
    const { pipe, transformer } = open();
    await pipe.generate({ prompt: "1", seed: 1, height: 8, width: 8, outputType: "latent" });
    const noise = initialLatents([1, CHANNELS, 4, 4], undefined, new Generator(1), pipe.scheduler);
    expect(unpackLatents(transformer.calls[0]?.latents as Tensor, [4, 4])).toEqual(noise);
  });

  it("makes pictures of the size its network was trained on", async () => {
    const { pipe } = open();
    const { images } = await pipe.generate({ prompt: "1" });
    expect(images.map(({ width, height }) => [width, height])).toEqual([[16, 16]]);
  });

  it("refuses a size that does not fill tokens", async () => {
    const { pipe } = open();
    await expect(pipe.generate({ prompt: "1", height: 8, width: 10 })).rejects.toMatchObject({ name: "ArgumentError", argument: "width" });
  });

  it("uses the sigmas that it chooses, shifted by the number of tokens", async () => {
    const timesteps = async (size: number) => {
      const { pipe, transformer } = open();
      await pipe.generate({ prompt: "1", height: size, width: size, outputType: "latent" });
      return transformer.calls.map(({ timestep }) => timestep);
    };
    const expected = (mu: number) =>
      [1, 0.75, 0.5, 0.25].map((sigma) => expect.closeTo((1000 * Math.exp(mu)) / (Math.exp(mu) + 1 / sigma - 1), 2));
    expect(await timesteps(8)).toEqual(expected(4 / 16));
    expect(await timesteps(16)).toEqual(expected(16 / 16));
  });

  it("returns packed latents for the output type latent", async () => {
    const { pipe } = open();
    const { images } = await pipe.generate({ prompt: "0.5", height: 8, width: 8, outputType: "latent" });
    expect(images.shape).toEqual([1, 4, 16]);
    expectAll(images, 0.5);
  });

  it("is guided from the negative prompt to the prompt, in one batch of two halves", async () => {
    const { pipe, transformer } = open();
    const { images } = await pipe.generate({ prompt: "1.5", negativePrompt: "1", guidanceScale: 3, outputType: "latent" });
    expectAll(images, 1 + 3 * 0.5);
    const [first] = transformer.calls;
    expect(first?.latents.shape[0]).toBe(1);
    expect(first?.inputs.encoderHiddenStates.shape).toEqual([2, 3, 1]);
    expect(first?.inputs.encoderMask.toArray()).toEqual([1, 0, 0, 1, 1, 1]);
  });

  it("makes the same picture from the named features of encodePrompt", async () => {
    const { pipe } = open();
    const embeds = await pipe.encodePrompt({ prompt: "0.25" });
    expect(Object.keys(embeds)).toEqual(["promptEmbeds", "promptEmbedsMask"]);
    const request = { seed: 3, outputType: "latent" } as const;
    const { images } = await pipe.generate({ ...request, ...embeds });
    expect(images).toEqual((await pipe.generate({ ...request, prompt: "0.25" })).images);
  });

  it("names the features of negative prompts in the same way", async () => {
    const { pipe } = open();
    const guided = { prompt: "1", negativePrompt: "2", guidanceScale: 2 };
    expect(Object.keys(await pipe.encodePrompt(guided))).toEqual([
      "promptEmbeds",
      "promptEmbedsMask",
      "negativePromptEmbeds",
      "negativePromptEmbedsMask",
    ]);
  });

  it("makes several pictures for each prompt, each from its own seed", async () => {
    const { pipe } = open();
    const { images, seeds } = await pipe.generate({
      prompt: ["1", "2"],
      numImagesPerPrompt: 2,
      seed: [1, 2, 3, 4],
      guidanceScale: 2,
      outputType: "latent",
    });
    expect(images.chunk(4).map((image) => image.mean().item())).toEqual([2, 2, 4, 4].map((value) => expect.closeTo(value, 4)));
    expect(seeds).toEqual([1n, 2n, 3n, 4n]);
  });

  it("has steps with packed latents, and previews that are not decoded: the autoencoder's colours are measured once", async () => {
    const { pipe, vae } = open();
    const sizes: string[] = [];
    for await (const { index, total, latents, preview } of pipe.steps({ prompt: "1", height: 8, width: 16, outputType: "latent" })) {
      expect([total, latents.shape]).toEqual([4, [1, 8, 16]]);
      if (index % 2 === 0) sizes.push(...(await preview()).map(({ width, height }) => `${width}x${height}`));
    }
    expect(sizes).toEqual(["16x8", "16x8"]);
    expect(vae.decoded.map(({ shape }) => shape)).toEqual([[1, CHANNELS, 32, 32]]);
  });

  it("stops between two steps when its signal aborts, and its network rests", async () => {
    const { pipe, transformer } = open();
    const controller = new AbortController();
    const run = pipe.steps({ prompt: "1", signal: controller.signal });
    await run.next();
    controller.abort(new Error("enough"));
    await expect(run.next()).rejects.toThrow("enough");
    expect([transformer.calls.length, transformer.rests, pipe.queue.running]).toEqual([1, 1, 0]);
  });

  it("refuses step caching, which its network does not have", async () => {
    const { pipe } = open();
    await expect(pipe.generate({ prompt: "1", cache: { interval: 2 } })).rejects.toMatchObject({
      name: "ArgumentError",
      argument: "cache",
      message: "cache was given; this pipeline's network has no step cache",
      hint: "leave cache out",
    });
  });

  it("refuses options that only UNets have", async () => {
    const { pipe } = open();
    for (const option of ["eta", "clipSkip", "promptSyntax", "guidanceRescale"]) {
      await expect(pipe.generate({ prompt: "1", [option]: 1 })).rejects.toMatchObject({ name: "ArgumentError", argument: option });
    }
  });

  it("refuses LoRAs and embeddings, because it has no networks for them", async () => {
    const { pipe } = open();
    await expect(pipe.loadLoraWeights("lora.safetensors")).rejects.toThrow("this pipeline has no network that a LoRA can change");
    await expect(pipe.loadTextualInversion("a.safetensors")).rejects.toThrow("this pipeline has no text encoder that takes embeddings");
    expect([pipe.getActiveAdapters(), pipe.fusedLoras]).toEqual([[], []]);
  });

  it("saves memory as others do", () => {
    const { pipe, transformer, vae } = open();
    pipe.enableVaeTiling();
    pipe.enableVaeSlicing();
    pipe.enableAttentionSlicing("max");
    expect([vae.memory.tiling, vae.memory.slicing, transformer.slice]).toEqual([true, true, "max"]);
    expect([pipe.device, pipe.precision]).toEqual(["cpu", "exact"]);
  });
});
