import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { betaFields, flag, oneOf, spacingFields } from "./shared/config-fields.js";
import { diffuse } from "./shared/forward-process.js";
import { alphasCumprodOf, atTimestep } from "./shared/noise-schedule.js";
import { predictedNoise } from "./shared/prediction.js";
import { Scheduler, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...betaFields(),
  /** Start with multistep at once, as Stable Diffusion does. */
  skipPrkSteps: flag(false),
  /** After the last step, alphaCumprod is 1 instead of its value at timestep 0. */
  setAlphaToOne: flag(false),
  /** What the model predicts: "epsilon" (the noise), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "v_prediction"], "epsilon"),
  ...spacingFields("leading"),
});

/** Config of a {@link PNDMScheduler}, with its defaults filled in. @interface */
export type PNDMConfig = v.InferOutput<typeof schema>;

/** The Runge-Kutta warm-up evaluates the model four times for each of these first timesteps. */
const WARM_UP_STEPS = 4;

/**
 * Pseudo numerical methods: Runge-Kutta warm-up, then a linear multistep method with the last four noise predictions.
 * Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds" (arXiv:2202.09778), equations 9, 12, 13.
 * Matches diffusers' PNDMScheduler; without warm-up it is the PLMS sampler of latent diffusion.
 */
export class PNDMScheduler extends Scheduler<PNDMConfig> {
  static override readonly className = "PNDMScheduler";
  static override readonly schema = schema;

  private readonly alphasCumprod = alphasCumprodOf(this.config);
  private stride = 0; // training timesteps per step
  private warmUp: readonly number[] = [];
  private counter = 0;
  private outputs: Tensor[] = []; // newest last
  private startSample: Tensor | undefined; // where the current step began
  private average: Tensor | undefined; // Runge-Kutta's weighted mean so far

  protected override plan({ numInferenceSteps = 0 }: TimestepOptions): void {
    const { timestepSpacing, numTrainTimesteps, stepsOffset, skipPrkSteps } = this.config;
    const spaced = spacedTimesteps(timestepSpacing, { steps: numInferenceSteps, trainSteps: numTrainTimesteps, offset: stepsOffset }).map(
      roundTiesToEven,
    );
    this.stride = Math.floor(numTrainTimesteps / numInferenceSteps);
    if (skipPrkSteps) {
      // The second timestep is evaluated twice: the first step is Heun's.
      this.warmUp = [];
      this.timesteps = [...spaced.slice(0, 1), ...spaced.slice(1, 2), ...spaced.slice(1)];
    } else {
      if (spaced.length < WARM_UP_STEPS) {
        throw new ArgumentError(
          `PNDMScheduler needs at least ${WARM_UP_STEPS} steps for its Runge-Kutta warm-up; got ${numInferenceSteps}`,
          {
            argument: "numInferenceSteps",
            hint: "use more steps, or set skip_prk_steps to true",
          },
        );
      }
      const half = Math.floor(this.stride / 2);
      const pairs = spaced.slice(0, WARM_UP_STEPS).flatMap((t) => [t + half, t]);
      this.warmUp = pairs
        .slice(1)
        .flatMap((t) => [t, t])
        .slice(1, -1);
      this.timesteps = [...this.warmUp, ...spaced.slice(WARM_UP_STEPS - 1)];
    }
    this.counter = 0;
    this.outputs = [];
    this.average = undefined;
    this.startSample = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor): StepOutput {
    this.planned(this.timesteps[0]);
    const prevSample =
      this.counter < this.warmUp.length
        ? this.rungeKuttaStep(modelOutput, timestep, sample)
        : this.multistep(modelOutput, timestep, sample);
    this.counter++;
    return { prevSample };
  }

  /** Equation 13: four evaluations, weighted 1/6, 1/3, 1/3, 1/6. */
  private rungeKuttaStep(output: Tensor, timestep: number, sample: Tensor): Tensor {
    const stage = this.counter % 4;
    const from = this.warmUp[this.counter - stage] as number;
    const to = timestep - (this.counter % 2 ? 0 : Math.floor(this.stride / 2));
    if (stage === 0) {
      this.outputs.push(output);
      this.startSample = sample;
    }
    const weight = stage === 0 || stage === 3 ? 1 / 6 : 1 / 3;
    const average = this.average ? sumFloat32([1, this.average], [weight, output]) : sumFloat32([weight, output]);
    this.average = stage === 3 ? undefined : average;
    return this.transfer(this.startSample ?? sample, from, to, stage === 3 ? average : output);
  }

  /** Equation 12: the Adams-Bashforth combination of the last outputs; without warm-up the first step is evaluated twice (Heun). */
  private multistep(output: Tensor, timestep: number, sample: Tensor): Tensor {
    const repeated = this.counter === 1;
    if (!repeated) this.outputs = [...this.outputs.slice(-3), output];
    const [e0, e1, e2, e3] = this.outputs.toReversed();
    const [from, to] = repeated ? [timestep + this.stride, timestep] : [timestep, timestep - this.stride];
    if (this.counter === 0) this.startSample = sample;
    if (repeated && e0 && !e1) {
      const start = this.startSample ?? sample;
      this.startSample = undefined;
      return this.transfer(start, from, to, sumFloat32([0.5, output], [0.5, e0]));
    }
    if (e0 && e1 && e2 && e3) {
      return this.transfer(sample, from, to, sumFloat32([55 / 24, e0], [-59 / 24, e1], [37 / 24, e2], [-9 / 24, e3]));
    }
    if (e0 && e1 && e2) return this.transfer(sample, from, to, sumFloat32([23 / 12, e0], [-16 / 12, e1], [5 / 12, e2]));
    if (e0 && e1) return this.transfer(sample, from, to, sumFloat32([1.5, e0], [-0.5, e1]));
    return this.transfer(sample, from, to, output);
  }

  /** Equation 9: the sample moved from one timestep to another along a noise prediction. */
  private transfer(sample: Tensor, from: number, to: number, output: Tensor): Tensor {
    const alpha = atTimestep(this.alphasCumprod, from);
    const alphaTo = to >= 0 ? atTimestep(this.alphasCumprod, to) : this.config.setAlphaToOne ? 1 : atTimestep(this.alphasCumprod, 0);
    const [beta, betaTo] = [f32(1 - alpha), f32(1 - alphaTo)];
    const noise = predictedNoise(this.config.predictionType, output, sample, { alpha: sqrtTorch(alpha), sigma: sqrtTorch(beta) });
    const denominator = f32(f32(alpha * sqrtTorch(betaTo)) + sqrtTorch(f32(f32(alpha * beta) * alphaTo)));
    const step = noise.mul(f32(alphaTo - alpha)).div(denominator);
    return sumFloat32([sqrtTorch(alphaTo / alpha), sample], [-1, step]);
  }

  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return diffuse(this.alphasCumprod, original, noise, timesteps);
  }
}
