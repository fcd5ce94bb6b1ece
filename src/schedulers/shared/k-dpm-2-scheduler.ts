import * as v from "valibot";
import { roundTiesToEven } from "../../tensor/round.js";
import type { Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { expTorch, logTorch } from "../float32/exp-log.js";
import { oneOf } from "./config-fields.js";
import { eitherStepsOrSigmas, expectDescent } from "./custom-timesteps.js";
import { KDiffusionScheduler, kDiffusionFields } from "./k-diffusion-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./scheduler.js";
import { denoised, scaleByDeviation } from "./variance-exploding.js";

/** The fields of both DPM-Solver-2 samplers. */
export const kDPM2Schema = v.strictObject({
  ...kDiffusionFields({ start: 0.00085, end: 0.012 }),
  /** What the model predicts: "epsilon" (the noise), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "v_prediction"], "epsilon"),
});

/** Config of a KDPM2Scheduler, with its defaults filled in. @interface */
export type KDPM2Config = v.InferOutput<typeof kDPM2Schema>;

/** The sigmas of a step: at its midpoint and at its end, and the standard deviation of the noise added at the end, if any. */
export interface KDPM2Stage {
  readonly middle: number;
  readonly down: number;
  readonly up?: number;
}

/**
 * DPM-Solver-2 as in k-diffusion's sample_dpm_2: a step to the geometric midpoint of two sigmas, and then the whole step with the slope at
 * the midpoint. Lu et al. 2022 (arXiv:2206.00927), Algorithm 1; Karras et al. 2022 (arXiv:2206.00364), Algorithm 2 with DPM-2 steps.
 */
export abstract class KDPM2Scheduler extends KDiffusionScheduler<KDPM2Config> {
  override readonly order = 2;
  protected override readonly takes = ["sigmas", "numTrainTimesteps"] as const;
  private startSample: Tensor | undefined; // where the current step began

  constructor(config: Partial<KDPM2Config> = {}) {
    super(config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  override get endsAtZero(): boolean {
    return true;
  }

  protected override plan(options: TimestepOptions): void {
    const { numInferenceSteps: steps = 0, sigmas: levels, numTrainTimesteps: trainSteps } = options;
    eitherStepsOrSigmas(this.className, options);
    if (levels) expectDescent(this.className, levels, 0);
    const layout = this.layout({ steps, levels, trainSteps });
    const timesteps = this.config.useKarrasSigmas && !levels ? layout.timesteps.map(roundTiesToEven) : layout.timesteps;
    const sigmas = [...layout.sigmas, 0].map(f32);
    const middles = this.stages(sigmas);
    // The last step goes directly to zero noise, without a midpoint.
    this.start(
      timesteps.flatMap((timestep, i) => (i === 0 ? [timestep] : [middles[i - 1] as number, timestep])),
      endsTwice(sigmas),
    );
    this.startSample = undefined;
  }

  /** Prepares the stages of a run over `sigmas`, and returns the timesteps of the steps' midpoints. */
  protected abstract stages(sigmas: readonly number[]): readonly number[];

  /** The stages of the step that begins at a position. */
  protected abstract stageAt(index: number): KDPM2Stage;

  /** The model's input for `sample`: the sample divided by sqrt(sigma^2 + 1). */
  protected override scaled(sample: Tensor, timestep: number): Tensor {
    const index = this.currentIndex(timestep);
    return scaleByDeviation(sample, this.startSample ? this.stageAt(index - 1).middle : this.sigmaAt(index));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const start = this.startSample;
    const from = start ? index - 1 : index;
    const sigma = this.sigmaAt(from);
    const { middle, down, up } = this.stageAt(from);
    const here = start ? middle : sigma;
    const original = denoised(this.config.predictionType, modelOutput, sample, here);
    const derivative = sample.sub(original).div(here);
    this.startSample = start ? undefined : sample;
    this.stepIndex = index + 1;
    let prevSample = sumFloat32([1, start ?? sample], [(start ? down : middle) - sigma, derivative]);
    if (start && up !== undefined) prevSample = sumFloat32([1, prevSample], [up, this.noise(modelOutput.shape, options)]);
    return { prevSample, predOriginalSample: original };
  }
}

/**
 * The value for each position of a run: the first value once, the last three times, every other twice. A step has two positions, its start
 * and its midpoint.
 */
export function endsTwice(values: readonly number[]): number[] {
  return [...values.flatMap((value, i) => (i === 0 ? [value] : [value, value])), values.at(-1) as number];
}

/** The geometric mean of two sigmas, as torch rounds `exp(lerp(log a, log b, 0.5))`, which gives 0 where `a` is 0 and NaN where `b` is. */
export function geometricMiddle(a: number, b: number): number {
  const [from, to] = [logTorch(a), logTorch(b)];
  return expTorch(f32(to - f32(f32(to - from) * 0.5)));
}
