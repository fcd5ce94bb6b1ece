import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { type DDIMPrediction, DDIMScheduler, ddimFields } from "./ddim.js";
import { scaledGuidance, unconditionalOf } from "./shared/cfg-pp.js";
import { flag, real } from "./shared/config-fields.js";
import type { StepOptions } from "./shared/scheduler.js";

const schema = v.strictObject({
  ...ddimFields(),
  /** Clip the predicted picture to -`clipSampleRange`..`clipSampleRange`; for models of pixels; false by default. */
  clipSample: flag(false),
  /** After the last step, alphaCumprod is 1 instead of its value at timestep 0; false by default. */
  setAlphaToOne: flag(false),
  /** The guidance scale is multiplied by this, 1/12.5 by default, so that scales up to 12.5 become those of CFG++, 0 to 1. */
  guidanceFactor: real(1 / 12.5),
});

/** Config of a {@link DDIMCFGPPScheduler}, with its defaults filled in. @interface */
export type DDIMCFGPPConfig = v.InferOutput<typeof schema>;

/**
 * DDIM with CFG++: each step goes to the guided picture, and puts back the noise that is predicted for the negative prompt.
 * "DDIM CFG++" of web UIs.
 * Chung et al. 2024, "CFG++" (arXiv:2406.08070), Algorithm 2; Song et al. 2021 (arXiv:2010.02502), equations 12 and 16.
 * Matches AUTOMATIC1111's ddim_cfgpp over the timesteps that diffusers' DDIMScheduler has.
 */
export class DDIMCFGPPScheduler extends DDIMScheduler<DDIMCFGPPConfig> {
  static override readonly className = "DDIMCFGPPScheduler";
  static override readonly schema = schema;

  override readonly needsUnconditional = true;

  protected override predict(modelOutput: Tensor, sample: Tensor, alphaCumprod: number, options: StepOptions): DDIMPrediction {
    const unconditional = unconditionalOf(this.className, options);
    const guided = scaledGuidance(modelOutput, unconditional, this.config.guidanceFactor);
    const { original, noise } = super.predict(guided, sample, alphaCumprod, options);
    if (options.useClippedModelOutput) return { original, noise };
    return { original, noise: super.predict(unconditional, sample, alphaCumprod, options).noise };
  }
}
