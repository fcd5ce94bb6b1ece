import type { ModelIndex } from "../checkpoint/model-index.js";
import { STABLE_DIFFUSION_1 } from "../families/stable-diffusion-1.js";
import type { Picture } from "../image/picture.js";
import { MotionAdapter } from "../models/motion-adapter.js";
import { UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { framesAsRows, UNetMotionModel } from "../models/unet-motion.js";
import { type Fields, instanceOf, whole } from "../options/fields.js";
import type { Turn } from "../runtime/call-queue.js";
import { Tensor } from "../tensor/tensor.js";
import type { LatentLoopOptions } from "./latent-diffusion.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type Size, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { initialLatents } from "./shared/latents.js";
import type { OutputType, PipelineOutput } from "./shared/output.js";
import type { DenoisingStep, PipelineRun } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The parts of Stable Diffusion 1 with motion modules. */
export interface AnimateDiffComponents extends Omit<StableDiffusionComponents, "safetyChecker" | "featureExtractor"> {
  /** The motion modules. */
  readonly motionAdapter: MotionAdapter;
}

const { safetyChecker: _, featureExtractor: __, ...PARTS } = STABLE_DIFFUSION_PARTS;

const ANIMATEDIFF_PARTS: Fields<AnimateDiffComponents> = { ...PARTS, motionAdapter: part(instanceOf(MotionAdapter)) };

/** The options of a call that makes videos. */
export interface AnimateDiffOptions extends Omit<UNetRequest, "numImagesPerPrompt" | "guidanceRescale">, SizeOptions, NoiseOptions {
  /** Frames of each video; 16 by default. The motion modules were trained for 16, and take 32 at most (version 1: 24). */
  readonly numFrames?: number | undefined;
  /** Frames that the VAE decodes at once: 1 by default, which needs the least memory. The frames are the same. */
  readonly decodeChunkSize?: number | undefined;
  /** Noise to start from [videos, channels, frames, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

const { numImagesPerPrompt: ___, guidanceRescale: ____, ...OWN_UNET_FIELDS } = UNET_FIELDS;

const FIELDS: Fields<AnimateDiffOptions> = {
  ...OWN_UNET_FIELDS,
  ...SIZE_FIELDS,
  ...NOISE_FIELDS,
  numFrames: whole(1),
  decodeChunkSize: whole(1),
};

/** The request of a call of {@link AnimateDiffPipeline}: its options, with a prompt or embeddings. One video is made for each prompt. */
export type AnimateDiffRequest = Prompted<AnimateDiffOptions>;

/** The videos of a call. */
export interface AnimateDiffOutput<Output extends OutputType> extends PipelineOutput<Output> {
  /**
   * The frames of each video. With `outputType: "tensor"`, floats in 0..1 [videos, frames, 3, height, width]; with "np" and "uint8", the
   * channels come last; with "latent", latents [videos, channels, frames, height / factor, width / factor]. `images` has the frames of all
   * videos one after another.
   */
  readonly frames: Output extends "image" ? Picture[][] : Output extends "uint8" ? Tensor<"uint8"> : Tensor;
}

const FRAMES = 16;

/**
 * Makes short videos from texts, with a checkpoint of Stable Diffusion 1 and a motion adapter (Guo et al. 2023). Matches diffusers'
 * AnimateDiffPipeline.
 */
export class AnimateDiffPipeline extends StableDiffusionBase<AnimateDiffRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "AnimateDiffPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = ANIMATEDIFF_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = AnimateDiffPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = STABLE_DIFFUSION_1.workflows["motion-noise"].defaults;
  /** The motion modules. */
  readonly motionAdapter: MotionAdapter;
  /** The UNet, if it was made here. */
  private readonly madeUnet: UNetMotionModel | undefined;

  /**
   * Makes a pipeline of parts that the caller loaded. The caller disposes them.
   * @throws ConfigError if the motion adapter is for a UNet of other blocks
   */
  constructor(components: AnimateDiffComponents, source?: ComponentSource) {
    expectParts(AnimateDiffPipeline.className, components, ANIMATEDIFF_PARTS);
    const { unet, motionAdapter } = components;
    const made = unet instanceof UNetMotionModel ? undefined : UNetMotionModel.fromUNet2D(unet, motionAdapter);
    super({ ...components, unet: made ?? unet, safetyChecker: null }, source);
    this.motionAdapter = motionAdapter;
    this.madeUnet = made;
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<AnimateDiffComponents>): Promise<AnimateDiffPipeline> {
    const unet = await source.load<UNet2DConditionModel>("unet", { UNet2DConditionModel, UNetMotionModel }, given.unet);
    const motionAdapter = await source.load("motion_adapter", { MotionAdapter }, given.motionAdapter);
    const components = await loadStableDiffusion(source, { ...given, unet, safetyChecker: null });
    return new AnimateDiffPipeline({ ...components, motionAdapter }, source);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): AnimateDiffComponents & StableDiffusionComponents {
    return super.components as AnimateDiffComponents & StableDiffusionComponents;
  }

  /**
   * Makes one video for each prompt, all of a call at once.
   * @throws ArgumentError for a wrong request; the signal's reason if it was aborted; DeviceError
   */
  override generate<Output extends OutputType = "image">(
    request: AnimateDiffRequest & { readonly outputType?: Output | undefined },
  ): Promise<AnimateDiffOutput<Output>> {
    return super.generate(request) as Promise<AnimateDiffOutput<Output>>;
  }

  /** As `generate`, step by step; the preview of a step has the frames of all videos. */
  override steps<Output extends OutputType = "image">(
    request: AnimateDiffRequest & { readonly outputType?: Output | undefined },
  ): PipelineRun<AnimateDiffOutput<Output>> {
    return super.steps(request) as PipelineRun<AnimateDiffOutput<Output>>;
  }

  /** Frees the memory of the UNet with motion modules, and of the parts that this pipeline loaded. */
  override async dispose(): Promise<void> {
    await this.madeUnet?.dispose();
    await super.dispose();
  }

  protected override async *run<Output extends OutputType>(
    request: AnimateDiffRequest,
    turn: Turn,
  ): AsyncGenerator<DenoisingStep, AnimateDiffOutput<Output>, void> {
    const output = yield* super.run<Output>(request, turn);
    return { ...output, frames: framesOf(output.images, request) as AnimateDiffOutput<Output>["frames"] };
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

  protected override loop(call: Call<AnimateDiffRequest>, options: LatentLoopOptions): AsyncGenerator<DenoisingStep, Denoised, void> {
    return super.loop(call, { ...options, unpack: framesAsRows });
  }
}

/** The frames of each video, of those of all videos. */
function framesOf(
  images: Picture[] | Tensor | Tensor<"uint8">,
  { numFrames = FRAMES, outputType }: AnimateDiffRequest,
): Picture[][] | Tensor | Tensor<"uint8"> {
  if (!(images instanceof Tensor))
    return Array.from({ length: images.length / numFrames }, (_, i) => images.slice(i * numFrames, (i + 1) * numFrames));
  if (outputType === "latent") return images;
  const [rows = 0, ...sides] = images.shape;
  return images.reshape([rows / numFrames, numFrames, ...sides]);
}
