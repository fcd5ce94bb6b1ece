import { ConfigError } from "../errors.js";
import type { Picture } from "../image/picture.js";
import { MotionAdapter } from "../models/motion-adapter.js";
import { UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { framesAsRows, UNetMotionModel } from "../models/unet-motion.js";
import { type Fields, instanceOf, whole } from "../options/fields.js";
import type { Turn } from "../runtime/call-queue.js";
import { Tensor } from "../tensor/tensor.js";
import type { LatentLoopOptions } from "./latent-diffusion.js";
import { promptCount } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
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

export const ANIMATEDIFF_PARTS: Fields<AnimateDiffComponents> = { ...PARTS, motionAdapter: part(instanceOf(MotionAdapter)) };

/** The options of every call that makes videos. */
export interface AnimateDiffCommonOptions extends Omit<UNetRequest, "numImagesPerPrompt" | "guidanceRescale"> {
  /** Frames that the VAE decodes at once: 1 by default, which needs the least memory. The frames are the same. */
  readonly decodeChunkSize?: number | undefined;
}

const { numImagesPerPrompt: ___, guidanceRescale: ____, ...OWN_UNET_FIELDS } = UNET_FIELDS;

export const ANIMATEDIFF_FIELDS: Fields<AnimateDiffCommonOptions> = { ...OWN_UNET_FIELDS, decodeChunkSize: whole(1) };

/** The videos of a call. */
export interface AnimateDiffOutput<Output extends OutputType> extends PipelineOutput<Output> {
  /**
   * The frames of each video. With `outputType: "tensor"`, floats in 0..1 [videos, frames, 3, height, width]; with "np" and "uint8", the
   * channels come last; with "latent", latents [videos, channels, frames, height / factor, width / factor]. `images` has the frames of all
   * videos one after another.
   */
  readonly frames: Output extends "image" ? Picture[][] : Output extends "uint8" ? Tensor<"uint8"> : Tensor;
}

/** What the pipelines that make videos share: a UNet with motion modules, and videos as their result. */
export abstract class AnimateDiffBase<Request extends AnimateDiffCommonOptions> extends StableDiffusionBase<Request> {
  /** The motion modules. */
  readonly motionAdapter: MotionAdapter;
  /** The UNet, if it was made here. */
  private readonly madeUnet: UNetMotionModel | undefined;

  /**
   * Makes a pipeline of parts that the caller loaded. The caller disposes them.
   * @throws ConfigError if the motion adapter is for a UNet of other blocks
   */
  constructor(components: AnimateDiffComponents, source?: ComponentSource) {
    expectParts(new.target.className, components, ANIMATEDIFF_PARTS);
    const { unet, motionAdapter } = components;
    if (unet.config.additionEmbedType === "text_time") {
      throw new ConfigError(`${new.target.className} is for Stable Diffusion 1; this UNet is conditioned like Stable Diffusion XL's`, {
        hint: "give a checkpoint of Stable Diffusion 1, and a motion adapter for it",
      });
    }
    const made = unet instanceof UNetMotionModel ? undefined : UNetMotionModel.fromUNet2D(unet, motionAdapter);
    super({ ...components, unet: made ?? unet, safetyChecker: null }, source);
    this.motionAdapter = motionAdapter;
    this.madeUnet = made;
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
    request: Request & { readonly outputType?: Output | undefined },
  ): Promise<AnimateDiffOutput<Output>> {
    return super.generate(request) as Promise<AnimateDiffOutput<Output>>;
  }

  /** As `generate`, step by step; the preview of a step has the frames of all videos. */
  override steps<Output extends OutputType = "image">(
    request: Request & { readonly outputType?: Output | undefined },
  ): PipelineRun<AnimateDiffOutput<Output>> {
    return super.steps(request) as PipelineRun<AnimateDiffOutput<Output>>;
  }

  /** Frees the memory of the UNet with motion modules, and of the parts that this pipeline loaded. */
  override async dispose(): Promise<void> {
    await this.madeUnet?.dispose();
    await super.dispose();
  }

  protected override async *run<Output extends OutputType>(
    request: Request,
    turn: Turn,
  ): AsyncGenerator<DenoisingStep, AnimateDiffOutput<Output>, void> {
    const output = yield* super.run<Output>(request, turn);
    return { ...output, frames: framesOf(output.images, promptCount(request), request.outputType) as AnimateDiffOutput<Output>["frames"] };
  }

  protected override loop(call: Call<Request>, options: LatentLoopOptions): AsyncGenerator<DenoisingStep, Denoised, void> {
    return super.loop(call, { ...options, unpack: framesAsRows });
  }
}

/** Loads the parts that are not in `given`. */
export async function loadAnimateDiff(source: ComponentSource, given: Partial<AnimateDiffComponents>): Promise<AnimateDiffComponents> {
  const unet = await source.load<UNet2DConditionModel>("unet", { UNet2DConditionModel, UNetMotionModel }, given.unet);
  const motionAdapter = await source.load("motion_adapter", { MotionAdapter }, given.motionAdapter);
  return { ...(await loadStableDiffusion(source, { ...given, unet, safetyChecker: null })), motionAdapter };
}

/** The frames of each video, of those of all videos. */
function framesOf(
  images: Picture[] | Tensor | Tensor<"uint8">,
  videos: number,
  outputType: OutputType | undefined,
): Picture[][] | Tensor | Tensor<"uint8"> {
  if (!(images instanceof Tensor)) {
    const frames = images.length / videos;
    return Array.from({ length: videos }, (_, i) => images.slice(i * frames, (i + 1) * frames));
  }
  if (outputType === "latent") return images;
  const [rows = 0, ...sides] = images.shape;
  return images.reshape([videos, rows / videos, ...sides]);
}
