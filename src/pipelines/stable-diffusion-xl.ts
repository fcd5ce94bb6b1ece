import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import { type Fields, tensor } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import { SIZE_FIELDS, type SizeOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { initialLatents, timestepOptions } from "./shared/denoising-loop.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { expectRange, isInside, TIMESTEP_RANGE_FIELDS, type TimestepRangeOptions, timestepsUntil } from "./shared/timesteps.js";
import {
  loadStableDiffusionXL,
  type Pair,
  StableDiffusionXLBase,
  type StableDiffusionXLCommonRequest,
  type StableDiffusionXLComponents,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
  XL_PARTS,
} from "./stable-diffusion-xl-base.js";

/** What a text-to-image call of XL can be asked for. */
export interface StableDiffusionXLOptions extends StableDiffusionXLCommonRequest, SizeOptions, Pick<TimestepRangeOptions, "denoisingEnd"> {
  /** Noise to start from [batch, channels, height / factor, width / factor], of unit variance. */
  readonly latents?: Tensor | undefined;
}

const FIELDS: Fields<StableDiffusionXLOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  denoisingEnd: TIMESTEP_RANGE_FIELDS.denoisingEnd,
  latents: tensor,
};

/** What a call of {@link StableDiffusionXLPipeline} takes: a prompt or its embeddings, and the rest as it likes. */
export type StableDiffusionXLRequest = Prompted<StableDiffusionXLOptions>;

/** Text to picture with Stable Diffusion XL (Podell et al. 2023). Matches diffusers' StableDiffusionXLPipeline. */
export class StableDiffusionXLPipeline extends StableDiffusionXLBase<StableDiffusionXLRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLPipeline";
  /** @internal What each of its parts may be. */
  static readonly parts = XL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionXLPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS.noise.defaults;

  /** Loads the parts that `given` does not bring; `fromPretrained` is the way in. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents>,
  ): Promise<StableDiffusionXLPipeline> {
    return new StableDiffusionXLPipeline(await loadStableDiffusionXL(source, given), settingsXL(index), source);
  }

  protected async *denoise(call: Call<StableDiffusionXLRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    expectRange(request);
    const { height, width } = this.size(request);
    scheduler.setTimesteps(timestepOptions(request));
    const shape = [batch, this.unet.config.inChannels, height / this.vaeScaleFactor, width / this.vaeScaleFactor];
    const latents = initialLatents(shape, request.latents, generator, scheduler);
    const timesteps = isInside(request.denoisingEnd)
      ? timestepsUntil(scheduler, scheduler.timesteps, request.denoisingEnd)
      : scheduler.timesteps;
    const conditioning = await this.conditioning(call, timeIds(request, [height, width]), { timesteps, interleaved: true });
    scheduler.setBeginIndex?.(0);
    return { latents: yield* this.loop(call, { latents, timesteps, predict: this.predictor(call, conditioning) }) };
  }
}

function timeIds(request: StableDiffusionXLRequest, size: Pair): TimeIds {
  const { originalSize = size, targetSize = size, cropsCoordsTopLeft = [0, 0] } = request;
  const { negativeOriginalSize, negativeTargetSize, negativeCropsCoordsTopLeft = [0, 0] } = request;
  const positive = [...originalSize, ...cropsCoordsTopLeft, ...targetSize];
  // diffusers leaves the negative half alone unless both of its sizes are given.
  const isNegative = negativeOriginalSize !== undefined && negativeTargetSize !== undefined;
  return { positive, negative: isNegative ? [...negativeOriginalSize, ...negativeCropsCoordsTopLeft, ...negativeTargetSize] : positive };
}
