import { ArgumentError } from "../errors.js";
import type { Picture } from "../image/picture.js";
import type { LatentDiffusionPipeline } from "../pipelines/latent-diffusion.js";
import type { LatentDiffusionRequest } from "../pipelines/latent-diffusion-request.js";
import type { Prompted, TextEmbeds } from "../pipelines/prompt/prompt-options.js";
import type { DenoisingNetwork } from "../pipelines/shared/denoiser.js";
import { latentsOf } from "../pipelines/shared/missing-parts.js";
import type { PipelineOutput } from "../pipelines/shared/output.js";
import type { PipelineRun } from "../pipelines/shared/pipeline-run.js";
import type { StableDiffusionXLCommonRequest } from "../pipelines/stable-diffusion-xl-base.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../pipelines/stable-diffusion-xl-img2img.js";
import type { TransformerPipeline, TransformerRequest } from "../pipelines/transformer-pipeline.js";
import type { UnconditionalPipeline, UnconditionalRequest } from "../pipelines/unconditional.js";
import type { UNetPipeline } from "../pipelines/unet-pipeline.js";
import { Generator } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";

/** Makes the pictures of one job. */
export interface Runner {
  /**
   * Makes one picture, step by step. Leaving the loop cancels it. `index` is its place in the run; only runs without prompt need it.
   * @throws the signal's reason between two steps
   */
  run(seed: bigint, signal: AbortSignal | undefined, index?: number): AsyncGenerator<RunnerStep, RunnerResult, void>;
  /** As `run`, but ends with the latents [1, channels, height / factor, width / factor]; undefined for a run of several pipelines. */
  latents?(seed: bigint, signal: AbortSignal | undefined): AsyncGenerator<RunnerStep, Tensor, void>;
}

/** A picture that is made. */
export interface RunnerResult {
  readonly image: Picture;
  /** Whether the safety checker made it black; undefined without one. */
  readonly nsfwContentDetected: boolean | undefined;
  /** The size before a second pass made it larger, which is the size in the settings. */
  readonly firstSize?: { readonly width: number; readonly height: number };
}

/** A denoising step that has been taken. */
export interface RunnerStep {
  /** Steps taken. */
  readonly done: number;
  /** Steps of this picture; an estimate in the first half of an ensemble. */
  readonly total: number;
  /** The picture as it would be now. Costs one decoding. */
  preview(): Promise<Picture>;
}

/** The steps of a run, each changed. Leaving the loop ends the run. */
export async function* eachStep<Step, Result>(
  steps: AsyncGenerator<RunnerStep, Result, void>,
  change: (step: RunnerStep) => Step,
): AsyncGenerator<Step, Result, void> {
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return value;
      yield change(value);
    }
  } finally {
    await steps.return(undefined as never);
  }
}

/** Options of pipelines whose networks see pictures beside the latents. */
const SEEN_PICTURES = ["maskImage", "imageGuidanceScale", "depthMap", "noiseLevel"];

/** Pipelines that see a picture beside the latents without a further option. */
const SEEING = ["StableDiffusionLatentUpscalePipeline"];

/** One pipeline, from noise or a picture to the result. */
export function runner<Request extends LatentDiffusionRequest>(pipe: UNetPipeline<Request>, request: Request): Runner {
  if (!SEEING.includes(pipe.className) && !SEEN_PICTURES.some((option) => option in request)) expectPlainUNet(pipe);
  return latentRunner(pipe, request);
}

/** One pipeline with a transformer, from noise or a picture to the result. */
export function transformerRunner<Request extends TransformerRequest<TextEmbeds>>(
  pipe: TransformerPipeline<Request, DenoisingNetwork>,
  request: Request,
): Runner {
  return latentRunner(pipe, request);
}

function latentRunner<Request extends LatentDiffusionRequest<TextEmbeds>>(
  pipe: LatentDiffusionPipeline<Request>,
  request: Request,
): Runner {
  return {
    run: (seed, signal) => steps(pipe.steps({ ...request, seed, signal, outputType: "image" as const })),
    async *latents(seed, signal) {
      const run = pipe.steps({ ...request, seed, signal, outputType: "latent" as const });
      for await (const { index, total, preview } of run) yield { done: index + 1, total, preview: () => first(preview()) };
      return (await run.result).images;
    },
  };
}

/** A pipeline without prompt; `request` is that of the picture at `index`. */
export function unconditionalRunner<Request extends UnconditionalRequest>(
  pipe: UnconditionalPipeline<Request>,
  request: (index: number) => Request,
): Runner {
  return { run: (seed, signal, index = 0) => steps(pipe.steps({ ...request(index), seed, signal, outputType: "image" as const })) };
}

/** How an ensemble of experts divides its work. */
export interface EnsembleOptions<Request> {
  /** The base's request. */
  readonly request: Request;
  /** The prompts and how to read them, for the refiner. */
  readonly text: Prompted<StableDiffusionXLCommonRequest>;
  /** The share of the denoising, 0..1, after which the refiner takes over. */
  readonly denoisingEnd: number;
  /** The base's share of all steps, roughly, 0..1. */
  readonly share: number;
}

/**
 * A base that leaves the last of the noise to a refiner (Podell et al. 2023, section 2.5). One random generator serves both, one after the
 * other.
 */
export function ensembleRunner<Request extends StableDiffusionXLCommonRequest & { readonly denoisingEnd?: number }>(
  base: UNetPipeline<Request>,
  refiner: StableDiffusionXLImg2ImgPipeline,
  { request, text, denoisingEnd, share }: EnsembleOptions<Request>,
): Runner {
  expectPlainUNet(base);
  return {
    async *run(seed, signal) {
      const generator = new Generator(seed);
      let taken = 0;
      const half = base.steps({ ...request, generator, signal, denoisingEnd, outputType: "latent" as const });
      for await (const { index, total, preview } of half) {
        taken = total;
        yield { done: index + 1, total: Math.max(Math.round(total / share), total + 1), preview: () => first(preview()) };
      }
      const { images: image } = await half.result;
      const rest = refiner.steps({ ...text, generator, signal, image, denoisingStart: denoisingEnd, outputType: "image" as const });
      for await (const { index, total, preview } of rest) {
        yield { done: taken + index + 1, total: taken + total, preview: () => first(preview()) };
      }
      return resultOf(await rest.result);
    },
  };
}

/** What a pipeline gives, for one picture. */
type Output = Pick<PipelineOutput<"image">, "images" | "nsfwContentDetected">;

async function* steps(run: PipelineRun<Output>): AsyncGenerator<RunnerStep, RunnerResult, void> {
  for await (const { index, total, preview } of run) yield { done: index + 1, total, preview: () => first(preview()) };
  return resultOf(await run.result);
}

function resultOf({ images, nsfwContentDetected }: Output): RunnerResult {
  return { image: images[0] as Picture, nsfwContentDetected: nsfwContentDetected?.[0] };
}

async function first(pictures: Promise<readonly Picture[]>): Promise<Picture> {
  return (await pictures)[0] as Picture;
}

function expectPlainUNet<Request extends LatentDiffusionRequest>({ unet, vae }: UNetPipeline<Request>): void {
  const { inChannels } = unet.config;
  const { latentChannels } = latentsOf(vae);
  if (inChannels === latentChannels) return;
  throw new ArgumentError(
    `this checkpoint's UNet takes ${inChannels} channels, and latents have ${latentChannels}: it is made for inpainting`,
    {
      argument: "maskImage",
      hint: (name) =>
        `give a picture and the part of it to repaint: ${name("image", { value: "in.png", code: "image" })} ${name("maskImage", { value: "mask.png", code: "and maskImage" })}`,
    },
  );
}
