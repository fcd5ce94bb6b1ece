import type { ModelIndex } from "../checkpoint/model-index.js";
import { STABLE_DIFFUSION_1 } from "../families/stable-diffusion-1.js";
import { type Fields, whole } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  ANIMATEDIFF_FIELDS,
  ANIMATEDIFF_PARTS,
  AnimateDiffBase,
  type AnimateDiffCommonOptions,
  type AnimateDiffComponents,
  loadAnimateDiff,
} from "./animatediff-base.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type Size, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { initialLatents } from "./shared/latents.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";

/** The options of a call that makes videos. */
export interface AnimateDiffOptions extends AnimateDiffCommonOptions, SizeOptions, NoiseOptions {
  /** Frames of each video; 16 by default. The motion modules were trained for 16, and take 32 at most (version 1: 24). */
  readonly numFrames?: number | undefined;
  /** Noise to start from [videos, channels, frames, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

const FIELDS: Fields<AnimateDiffOptions> = { ...ANIMATEDIFF_FIELDS, ...SIZE_FIELDS, ...NOISE_FIELDS, numFrames: whole(1) };

/** The request of a call of {@link AnimateDiffPipeline}: its options, with a prompt or embeddings. One video is made for each prompt. */
export type AnimateDiffRequest = Prompted<AnimateDiffOptions>;

const FRAMES = 16;

/**
 * Makes short videos from texts, with a checkpoint of Stable Diffusion 1 and a motion adapter (Guo et al. 2023). Matches diffusers'
 * AnimateDiffPipeline.
 */
export class AnimateDiffPipeline extends AnimateDiffBase<AnimateDiffRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "AnimateDiffPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = ANIMATEDIFF_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = AnimateDiffPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = STABLE_DIFFUSION_1.workflows["motion-noise"].defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<AnimateDiffComponents>): Promise<AnimateDiffPipeline> {
    return new AnimateDiffPipeline(await loadAnimateDiff(source, given), source);
  }

  protected async *denoise(call: Call<AnimateDiffRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const denoised = yield* this.fromNoise(call);
    return { ...denoised, decodedAtOnce: call.request.decodeChunkSize ?? 1 };
  }

  /** Noise to start from, given or drawn, for all frames. */
  protected override noise({ request, batch, generator, scheduler }: Call<AnimateDiffRequest>, { height, width }: Size): Tensor {
    const [rows, columns] = [height / this.vaeScaleFactor, width / this.vaeScaleFactor];
    const shape = [batch, this.unet.config.inChannels, request.numFrames ?? FRAMES, rows, columns];
    return initialLatents(shape, request.latents, generator, scheduler);
  }
}
