import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { EDMScheduler, edmFields } from "./shared/edm-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { linspace } from "./shared/timestep-spacing.js";
import { churn } from "./shared/variance-exploding.js";

const schema = v.strictObject(edmFields());

/** Config of a {@link EDMEulerScheduler}, with its defaults filled in. @interface */
export type EDMEulerConfig = v.InferOutput<typeof schema>;

/**
 * Euler's method for EDM models, with optional churn.
 * Karras et al. 2022 (arXiv:2206.00364), Algorithm 2 with Euler steps.
 * Matches diffusers' EDMEulerScheduler.
 */
export class EDMEulerScheduler extends EDMScheduler<EDMEulerConfig> {
  static override readonly className = "EDMEulerScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["sigmas"] as const;

  constructor(config: Partial<EDMEulerConfig> = {}) {
    super(config);
    const { numTrainTimesteps } = this.config;
    this.ramp(Array.from({ length: numTrainTimesteps + 1 }, (_, i) => i / numTrainTimesteps));
  }

  /** Custom `sigmas` are positions on the schedule, from 0 (`sigmaMax`) to 1 (`sigmaMin`), not sigmas; as in diffusers. */
  protected override plan({ numInferenceSteps = 0, sigmas }: TimestepOptions): void {
    this.ramp(sigmas ?? linspace(0, 1, numInferenceSteps));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const next = this.sigmaAt(index + 1);
    const { hat, added } = churn(this.sigmaAt(index), this.sigmas.length - 1, options);
    const noisy = added === 0 ? sample : sumFloat32([1, sample], [added, this.noise(modelOutput.shape, options)]);
    const original = options.predOriginalSample ?? this.denoised(modelOutput, noisy, hat);
    const derivative = noisy.sub(original).div(hat);
    this.stepIndex = index + 1;
    return { prevSample: sumFloat32([1, noisy], [f32(next - hat), derivative]), predOriginalSample: original };
  }

  private ramp(positions: readonly number[]): void {
    const sigmas = this.sigmasOn(positions);
    this.begin(sigmas, this.config.finalSigmasType === "zero" ? 0 : (sigmas.at(-1) as number));
  }
}
