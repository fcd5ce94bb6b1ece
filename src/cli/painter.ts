import { ArgumentError } from "../errors.js";
import type { Picture } from "../image/picture.js";
import type { LatentDiffusionRequest } from "../pipelines/latent-diffusion-request.js";
import type { Prompted } from "../pipelines/prompt/prompt-options.js";
import { latentsOf } from "../pipelines/shared/missing-parts.js";
import type { PipelineRun } from "../pipelines/shared/pipeline-run.js";
import type { StableDiffusionXLCommonRequest } from "../pipelines/stable-diffusion-xl-base.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../pipelines/stable-diffusion-xl-img2img.js";
import type { UnconditionalPipeline, UnconditionalRequest } from "../pipelines/unconditional.js";
import type { UNetPipeline } from "../pipelines/unet-pipeline.js";
import type { Precision, ResolvedDevice } from "../runtime/engine.js";
import type { Scheduler } from "../schedulers/shared/scheduler.js";
import { Generator } from "../tensor/random.js";
import type { Adaptable } from "./load-adapters.js";

/** What makes pictures of one request, one at a time. */
export interface Painter {
  /** The pipelines at work, in the order they come into it. */
  readonly pipelines: readonly [OpenPipeline, ...OpenPipeline[]];
  /** The one that LoRAs and embeddings are loaded into, where there is a prompt. */
  readonly adaptable?: Adaptable;
  /** @throws the signal's reason once it aborts, between two steps; whatever the pipelines throw. */
  paint(options: PaintOptions): Promise<Picture>;
}

/** What is asked of every pipeline, whichever it is. */
export interface OpenPipeline {
  readonly device: ResolvedDevice;
  readonly precision: Precision;
  scheduler: Scheduler;
}

/** One picture. */
export interface PaintOptions {
  readonly seed: bigint;
  readonly signal: AbortSignal;
  /** Called after every step. */
  readonly onStep: (done: number, total: number) => void;
}

/** One pipeline from noise (or a picture) to picture. */
export function painter<Request extends LatentDiffusionRequest>(pipe: UNetPipeline<Request>, request: Request): Painter {
  if (!("maskImage" in request)) expectPlainUNet(pipe);
  return {
    pipelines: [pipe],
    adaptable: pipe,
    async paint({ seed, signal, onStep }) {
      const { images } = await watch(pipe.steps({ ...request, seed, signal, outputType: "image" as const }), onStep);
      return images[0] as Picture;
    },
  };
}

/** A pipeline without prompt. */
export function unconditionalPainter(pipe: UnconditionalPipeline<UnconditionalRequest>, numInferenceSteps: number): Painter {
  return {
    pipelines: [pipe],
    async paint({ seed, signal, onStep }) {
      const { images } = await watch(pipe.steps({ numInferenceSteps, seed, signal, outputType: "image" }), onStep);
      return images[0] as Picture;
    },
  };
}

/** How an ensemble of experts divides its work. */
export interface EnsembleOptions<Request> {
  /** What the base is asked for. */
  readonly request: Request;
  /** What the refiner is asked for as well: the prompts and how to follow them. */
  readonly text: Prompted<StableDiffusionXLCommonRequest>;
  /** The share of the denoising, 0..1, at which the refiner takes over. */
  readonly from: number;
  /** About how much of all steps are the base's, 0..1. */
  readonly share: number;
}

/** A base that leaves the last of the noise to a refiner (Podell et al. 2023, section 2.5); the random numbers go on from one to the other. */
export function ensemble<Request extends StableDiffusionXLCommonRequest & { readonly denoisingEnd?: number }>(
  base: UNetPipeline<Request>,
  refiner: StableDiffusionXLImg2ImgPipeline,
  { request, text, from, share }: EnsembleOptions<Request>,
): Painter {
  expectPlainUNet(base);
  return {
    pipelines: [base, refiner],
    adaptable: base,
    async paint({ seed, signal, onStep }) {
      const generator = new Generator(seed);
      let taken = 0;
      const half = base.steps({ ...request, generator, signal, denoisingEnd: from, outputType: "latent" as const });
      const { images: image } = await watch(half, (done, total) => {
        taken = total;
        onStep(done, Math.max(Math.round(total / share), total + 1));
      });
      const rest = refiner.steps({ ...text, generator, signal, image, denoisingStart: from, outputType: "image" as const });
      const { images } = await watch(rest, (done, total) => onStep(taken + done, taken + total));
      return images[0] as Picture;
    },
  };
}

async function watch<Result>(run: PipelineRun<Result>, onStep: PaintOptions["onStep"]): Promise<Result> {
  for await (const { index, total } of run) onStep(index + 1, total);
  return run.result;
}

function expectPlainUNet<Request extends LatentDiffusionRequest>({ unet, vae }: UNetPipeline<Request>): void {
  const { inChannels } = unet.config;
  const { latentChannels } = latentsOf(vae);
  if (inChannels === latentChannels) return;
  throw new ArgumentError(
    `this checkpoint's UNet takes ${inChannels} channels where latents have ${latentChannels}: it is made for inpainting`,
    {
      hint: "give a picture and the part of it to repaint: --image in.png --mask mask.png",
    },
  );
}
