import type { ModelIndex } from "../checkpoint/model-index.js";
import { DEPTH } from "../families/stable-diffusion.js";
import { type Fields, needed, real } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Size } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { type DepthInput, depthInput, readDepthMaps } from "./shared/depth-map.js";
import { type ImageInput, imageInput } from "./shared/image-inputs.js";
import { repeatToBatch } from "./shared/latents.js";
import { latentsOf } from "./shared/missing-parts.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { expectChannels } from "./unet-pipeline.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of a call that changes a picture whose depth is known. */
export interface StableDiffusionDepth2ImgOptions extends UNetRequest {
  /** The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents. */
  readonly image: ImageInput;
  /**
   * The picture's depth, larger values nearer: a grey picture, or a Tensor [n, height, width] of any range. It is resized to the latents.
   */
  readonly depthMap: DepthInput;
  /** How much of the picture is replaced, 0..1: 0.8 by default. Its depth stays. */
  readonly strength?: number | undefined;
}

const FIELDS: Fields<StableDiffusionDepth2ImgOptions> = {
  ...UNET_FIELDS,
  image: needed(imageInput, "image is the picture to start from"),
  depthMap: needed(
    depthInput,
    'depthMap is the picture\'s depth, near parts bright. The checkpoint\'s depth_estimator is not loaded: make the map with MiDaS, DPT or Depth Anything, in Python pipeline("depth-estimation")(image)["depth"]',
  ),
  strength: real(0, 1),
};

/** The request of a call of {@link StableDiffusionDepth2ImgPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionDepth2ImgRequest = Prompted<StableDiffusionDepth2ImgOptions>;

/**
 * Makes pictures from a picture, its depth and a text, with stabilityai/stable-diffusion-2-depth. The depth map must be given: the network
 * that estimates it is not loaded. Matches diffusers' StableDiffusionDepth2ImgPipeline with a `depth_map`.
 */
export class StableDiffusionDepth2ImgPipeline extends StableDiffusionBase<StableDiffusionDepth2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionDepth2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionDepth2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = DEPTH.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<StableDiffusionDepth2ImgPipeline> {
    return new StableDiffusionDepth2ImgPipeline(await loadStableDiffusion(source, given), source);
  }

  protected override get absentParts(): readonly string[] {
    return ["depth_estimator", "feature_extractor"];
  }

  protected override async besideLatents(
    { request, batch }: Call<StableDiffusionDepth2ImgRequest>,
    size: Size,
  ): Promise<readonly Tensor[]> {
    const { latentChannels, scaleFactor } = latentsOf(this.vae);
    expectChannels(this.unet, latentChannels + 1, "those of the latents and of the depth map");
    const maps = await readDepthMaps(request.depthMap, { height: size.height / scaleFactor, width: size.width / scaleFactor });
    return [repeatToBatch("depthMap", maps, batch)];
  }

  protected denoise(call: Call<StableDiffusionDepth2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromPicture(call);
  }
}
