import type { ModelIndex } from "../checkpoint/model-index.js";
import { LATENT_CONSISTENCY } from "../families/latent-consistency.js";
import { type Fields, needed, real, tensor } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  LATENT_CONSISTENCY_FIELDS,
  LatentConsistencyModelBase,
  type LatentConsistencyModelCommonOptions,
} from "./latent-consistency-model-base.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { loopTurns } from "./shared/control.js";
import { type ImageInput, imageInput, readImages } from "./shared/image-inputs.js";
import { addInitialNoise, sizeOfImages, startingLatents } from "./shared/latents.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { loadStableDiffusion, STABLE_DIFFUSION_PARTS, type StableDiffusionComponents } from "./stable-diffusion-base.js";

/** The options of an image-to-image call of a latent consistency model. */
export interface LatentConsistencyModelImg2ImgOptions extends LatentConsistencyModelCommonOptions {
  /**
   * The picture to start from, or a list with one for each prompt. A tensor has values in 0..1, or is latents. The result has the same
   * size.
   */
  readonly image: ImageInput;
  /** How much of the picture is replaced, 0..1: 0.8 by default. All steps are taken, in that part of the schedule. */
  readonly strength?: number | undefined;
  /** Instead of the picture with noise: latents that have their noise already. */
  readonly latents?: Tensor | undefined;
}

const FIELDS: Fields<LatentConsistencyModelImg2ImgOptions> = {
  ...LATENT_CONSISTENCY_FIELDS,
  image: needed(imageInput, "image is the picture to start from"),
  strength: real(0, 1),
  latents: tensor,
};

/** The request of a call of {@link LatentConsistencyModelImg2ImgPipeline}: its options, with a prompt or embeddings. */
export type LatentConsistencyModelImg2ImgRequest = Prompted<LatentConsistencyModelImg2ImgOptions>;

/**
 * Makes pictures from a picture and a text in a few steps with a latent consistency model (Luo et al. 2023). Matches diffusers'
 * LatentConsistencyModelImg2ImgPipeline.
 */
export class LatentConsistencyModelImg2ImgPipeline extends LatentConsistencyModelBase<LatentConsistencyModelImg2ImgRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "LatentConsistencyModelImg2ImgPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = STABLE_DIFFUSION_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = LatentConsistencyModelImg2ImgPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = LATENT_CONSISTENCY.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents>,
  ): Promise<LatentConsistencyModelImg2ImgPipeline> {
    return new LatentConsistencyModelImg2ImgPipeline(await loadStableDiffusion(source, given), source);
  }

  protected async *denoise(call: Call<LatentConsistencyModelImg2ImgRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    const image = await readImages(request.image, this.vae);
    const timesteps = this.plan(call, request.strength ?? this.defaults.strength);
    const conditioning = await this.conditioning(call, { size: sizeOfImages(this.vae, image), timesteps });
    const start = async () =>
      addInitialNoise(await startingLatents(this.vae, image, batch, generator), generator, scheduler, timesteps[0] ?? 0);
    const latents = request.latents ?? (await start());
    const turns = loopTurns(scheduler, timesteps, timesteps);
    return yield* this.loop(call, { latents, predict: this.predictor(call, conditioning, { control: undefined, turns }) });
  }
}
