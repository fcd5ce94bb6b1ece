import { ConfigError } from "../errors.js";
import { type Fields, whole } from "../options/fields.js";
import type { LatentLoopOptions } from "./latent-diffusion.js";
import type { PromptInput } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { StableDiffusionBase } from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** Options of other pipelines that a latent consistency model does not have: its guidance was distilled into the network. */
type Unused = "negativePrompt" | "negativePromptEmbeds" | "sigmas" | "guidanceInterval" | "guidanceRescale" | "eta";

/** The options of every call of a latent consistency model. */
export interface LatentConsistencyModelCommonOptions extends Omit<UNetRequest, Unused> {
  /** Denoising steps; 4 by default. */
  readonly numInferenceSteps?: number | undefined;
  /** How strongly the picture follows the prompt, an input of the network: 8.5 by default. A list has a number for each step. */
  readonly guidanceScale?: number | readonly number[] | undefined;
  /** The length of the schedule that the model was distilled on; the scheduler's `originalInferenceSteps` by default. */
  readonly originalInferenceSteps?: number | undefined;
}

const {
  negativePrompt: _text,
  negativePromptEmbeds: _embeds,
  sigmas: _sigmas,
  guidanceInterval: _interval,
  guidanceRescale: _rescale,
  eta: _eta,
  ...SHARED
} = UNET_FIELDS;

export const LATENT_CONSISTENCY_FIELDS: Fields<LatentConsistencyModelCommonOptions> = { ...SHARED, originalInferenceSteps: whole(1) };

/** What both pipelines of latent consistency models share. */
export abstract class LatentConsistencyModelBase<Request extends LatentConsistencyModelCommonOptions> extends StableDiffusionBase<Request> {
  /** The network guides itself. */
  protected override isGuided(_guidanceScale: number, _prompts: PromptInput): boolean {
    return false;
  }

  /** Plans the timesteps of a call. @throws ConfigError for a UNet that takes no guidance scale. */
  protected plan({ request, scheduler, timestepOptions }: Call<Request>, strength?: number): readonly number[] {
    if (!this.unet.config.timeCondProjDim) {
      throw new ConfigError("this UNet takes no guidance scale: its config has no time_cond_proj_dim", {
        hint: `${this.className} is for latent consistency models; for an LCM-LoRA, use StableDiffusionPipeline with an LCMScheduler`,
      });
    }
    const { originalInferenceSteps } = request;
    scheduler.setTimesteps({ ...timestepOptions, originalInferenceSteps, strength });
    return scheduler.timesteps;
  }

  protected override planFromNoise(call: Call<Request>): readonly number[] {
    return this.plan(call);
  }

  /** The loop, which ends with the last prediction: the last step may have added noise. */
  protected override loop(call: Call<Request>, options: LatentLoopOptions): AsyncGenerator<DenoisingStep, Denoised, void> {
    return super.loop(call, { ...options, endsWithPrediction: true });
  }
}
