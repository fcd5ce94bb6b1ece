import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { real, trainTimesteps } from "./shared/config-fields.js";
import { evenFlowSigmas, flowTrainingSigmas } from "./shared/flow-match-scheduler.js";
import { mixRows } from "./shared/forward-process.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { SigmaScheduler } from "./shared/sigma-scheduler.js";
import { type SigmaRange, shiftFlowSigma } from "./shared/sigma-spacing.js";
import { churn } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  /** Timesteps of the forward process, 1 to 100,000; 1000 by default. */
  numTrainTimesteps: trainTimesteps(),
  /** Values above 1 spend more steps at high noise, as large pictures need; 1 by default. */
  shift: real(1),
});

/** Config of a {@link FlowMatchHeunDiscreteScheduler}, with its defaults filled in. @interface */
export type FlowMatchHeunDiscreteConfig = v.InferOutput<typeof schema>;

/** The first half of a step, kept for the second. */
interface FirstHalf {
  readonly sample: Tensor;
  readonly derivative: Tensor;
  readonly dt: number;
}

/**
 * Heun's method for rectified flow: every step but the last evaluates the model twice; with optional churn.
 * Karras et al. 2022 (arXiv:2206.00364), Algorithm 2, over the sigmas of Esser et al. 2024 (arXiv:2403.03206), equation 23.
 * Matches diffusers' FlowMatchHeunDiscreteScheduler.
 */
export class FlowMatchHeunDiscreteScheduler extends SigmaScheduler<FlowMatchHeunDiscreteConfig> {
  static override readonly className = "FlowMatchHeunDiscreteScheduler";
  static override readonly schema = schema;

  override readonly order = 2;
  private readonly range: SigmaRange;
  private firstHalf: FirstHalf | undefined;

  constructor(config: Partial<FlowMatchHeunDiscreteConfig> = {}) {
    super(config);
    const { numTrainTimesteps, shift } = this.config;
    const sigmas = flowTrainingSigmas(numTrainTimesteps, shift);
    this.range = { max: sigmas[0] as number, min: sigmas.at(-1) as number };
    this.start(
      sigmas.map((sigma) => f32(sigma * numTrainTimesteps)),
      sigmas,
    );
  }

  protected override plan({ numInferenceSteps: steps = 0 }: TimestepOptions): void {
    const { numTrainTimesteps: trainSteps, shift } = this.config;
    const sigmas = evenFlowSigmas(this.range, trainSteps, steps).map((sigma) => f32(shiftFlowSigma(sigma, shift)));
    const twice = sigmas.flatMap((sigma, i) => (i === 0 ? [sigma] : [sigma, sigma]));
    this.start(
      twice.map((sigma) => f32(sigma * trainSteps)),
      [...twice, 0],
    );
    this.firstHalf = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const from = this.firstHalf ? index - 1 : index;
    const [sigma, next] = [this.sigmaAt(from), this.sigmaAt(from + 1)];
    const { hat, added } = churn(sigma, this.sigmas.length - 1, options);
    const noisy = added > 0 ? sumFloat32([1, sample], [added, this.noise(modelOutput.shape, options)]) : sample;
    this.stepIndex = index + 1;
    const predOriginalSample = sumFloat32([1, noisy], [-(this.firstHalf ? next : hat), modelOutput]);
    if (!this.firstHalf) {
      const derivative = slope(noisy, modelOutput, sigma, hat);
      const dt = f32(next - hat);
      this.firstHalf = { sample: noisy, derivative, dt };
      return { prevSample: sumFloat32([1, noisy], [dt, derivative]), predOriginalSample };
    }
    const { sample: start, derivative: first, dt } = this.firstHalf;
    const derivative = sumFloat32([1, first], [1, slope(noisy, modelOutput, next, next)]).mul(0.5);
    this.firstHalf = undefined;
    return { prevSample: sumFloat32([1, start], [dt, derivative]), predOriginalSample };
  }

  /** diffusers' `scale_noise`: {@link addNoise} with its arguments in that order. */
  scaleNoise(sample: Tensor, timesteps: readonly number[], noise: Tensor): Tensor {
    return this.addNoise(sample, noise, timesteps);
  }

  /**
   * Adds the noise of each row's timestep. With one timestep, the run then starts there, as in diffusers. diffusers takes no more than one;
   * several give what a call for each row gives.
   */
  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    const startsRun = new Set(timesteps).size === 1;
    return mixRows(original, noise, timesteps, (timestep) => {
      const sigma = this.sigmaAt(startsRun ? this.currentIndex(timestep) : (this.beginIndex ?? this.indexOf(timestep)));
      return [1 - sigma, sigma];
    });
  }
}

/** The direction away from the predicted picture, per unit of `hat`. */
function slope(sample: Tensor, output: Tensor, sigma: number, hat: number): Tensor {
  const original = sumFloat32([1, sample], [-sigma, output]);
  return sample.sub(original).div(hat);
}
