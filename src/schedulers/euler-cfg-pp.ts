import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { scaledGuidance, unconditionalOf } from "./shared/cfg-pp.js";
import { real, share } from "./shared/config-fields.js";
import { eitherStepsOrSigmas } from "./shared/custom-timesteps.js";
import { KDiffusionScheduler } from "./shared/k-diffusion-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { timestepOfSigma } from "./shared/sigma-spacing.js";
import { stagedFields } from "./shared/staged-scheduler.js";
import { ancestralSigmas, denoised } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...stagedFields(),
  /** The share of fresh noise in each step: 0 (default) is "Euler CFG++", 1 is "Euler a CFG++". */
  eta: share(0),
  /**
   * The guidance scale is multiplied by this; 1 by default. Scales of 1 to 2 are usual then; with 0.08 those of other samplers, up to 12.5.
   */
  guidanceFactor: real(1),
});

/** Config of an {@link EulerCFGPPScheduler}, with its defaults filled in. @interface */
export type EulerCFGPPConfig = v.InferOutput<typeof schema>;

/**
 * Euler's method with CFG++: each step goes to the guided picture, and puts noise back in the direction that the prediction for the
 * negative prompt has. "Euler CFG++" and, with `eta` 1, "Euler a CFG++" of web UIs. Guidance scales are small: 1 to 2, not 7.5. Chung et
 * al. 2024, "CFG++" (arXiv:2406.08070), Algorithm 2; Karras et al. 2022 (arXiv:2206.00364). Matches ComfyUI's sample_euler_cfg_pp and
 * sample_euler_ancestral_cfg_pp over the sigmas that diffusers' schedulers have.
 */
export class EulerCFGPPScheduler extends KDiffusionScheduler<EulerCFGPPConfig> {
  static override readonly className = "EulerCFGPPScheduler";
  static override readonly schema = schema;

  override readonly needsUnconditional = true;
  protected override readonly takes = ["sigmas"] as const;

  constructor(config: Partial<EulerCFGPPConfig> = {}) {
    super(config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  /** Custom `sigmas` end with the level at the end of the run. */
  protected override plan({ numInferenceSteps: steps = 0, sigmas: custom }: TimestepOptions): void {
    eitherStepsOrSigmas(this.className, { numInferenceSteps: steps || undefined, sigmas: custom });
    const sigmas = (custom ?? [...this.layout({ steps }).sigmas, 0]).map(f32);
    this.start(
      sigmas.slice(0, -1).map((sigma) => f32(timestepOfSigma(sigma, this.logSigmas))),
      sigmas,
    );
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const { predictionType, guidanceFactor, eta, sNoise } = this.config;
    const index = this.currentIndex(timestep);
    const [sigma, next] = [this.sigmaAt(index), this.sigmaAt(index + 1)];
    const unconditional = unconditionalOf(this.className, options);
    const guided = scaledGuidance(modelOutput, unconditional, guidanceFactor);
    const original = denoised(predictionType, guided, sample, sigma);
    this.stepIndex = index + 1;
    if (next === 0) return { prevSample: original, predOriginalSample: original };

    const direction = sample.sub(denoised(predictionType, unconditional, sample, sigma)).div(sigma);
    const { up, down } = ancestralSigmas(sigma, next, { eta });
    const below = sumFloat32([1, original], [down, direction]);
    if (up === 0) return { prevSample: below, predOriginalSample: original };
    const noise = this.noise(sample.shape, options).mul(f32(sNoise));
    return { prevSample: sumFloat32([1, below], [up, noise]), predOriginalSample: original };
  }
}
