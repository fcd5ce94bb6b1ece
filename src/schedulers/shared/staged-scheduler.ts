import * as v from "valibot";
import type { Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { expTorch, logTorch } from "../float32/exp-log.js";
import { oneOf, real } from "./config-fields.js";
import { eitherStepsOrSigmas, expectDescent } from "./custom-timesteps.js";
import { type KDiffusionConfig, KDiffusionScheduler, kDiffusionFields } from "./k-diffusion-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./scheduler.js";
import { timestepOfSigma } from "./sigma-spacing.js";
import { denoised } from "./variance-exploding.js";

/** The fields of all these samplers. */
export const stagedFields = () => ({
  ...kDiffusionFields({ start: 0.00085, end: 0.012 }),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  /** Scales the noise that steps add; 1 by default. */
  sNoise: real(1),
});

const _schema = v.object(stagedFields());

/** What these samplers' configs have in common. */
export type StagedConfig = KDiffusionConfig & v.InferOutput<typeof _schema>;

/** An evaluation of the model within a step. */
export interface Evaluation {
  /** The sample that the model was evaluated on. */
  readonly sample: Tensor;
  /** The picture predicted there. */
  readonly original: Tensor;
  readonly options: StepOptions;
}

/** The stages of one step: it yields each sample to evaluate the model on next, and returns the sample after the step. */
export type Stages = Generator<Tensor, Tensor, Evaluation>;

/**
 * Samplers of k-diffusion whose steps evaluate the model several times. Every evaluation has a timestep and a sigma of its own in
 * `timesteps` and `sigmas`.
 */
export abstract class StagedScheduler<Config extends StagedConfig = StagedConfig> extends KDiffusionScheduler<Config> {
  protected override readonly takes = ["sigmas"] as const;
  private stages: Stages | undefined; // of the current step, between its evaluations

  constructor(config: Partial<Config> = {}) {
    super(config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  override get endsAtZero(): boolean {
    return true;
  }

  /** Custom `sigmas` end with the level at the end of the run, 0. */
  protected override plan({ numInferenceSteps: steps = 0, sigmas: custom }: TimestepOptions): void {
    eitherStepsOrSigmas(this.className, { numInferenceSteps: steps || undefined, sigmas: custom });
    if (custom) expectDescent(this.className, custom, 0);
    this.take(this.evaluations((custom ?? [...this.spaced(steps), 0]).map(f32)));
  }

  /** The sigmas of a run of so many steps, without the 0 at its end. */
  protected spaced(steps: number): readonly number[] {
    return this.layout({ steps }).sigmas;
  }

  /** The sigmas of all evaluations, and the last one's end, for a run over `sigmas`, which end with 0. */
  protected abstract evaluations(sigmas: readonly number[]): readonly number[];

  /** One step from position `index` of `sigmas`. Its first evaluation is done. */
  protected abstract stepFrom(index: number, first: Evaluation): Stages;

  /** Takes the sigmas of a new run. */
  protected take(sigmas: readonly number[]): void {
    this.start(
      sigmas.slice(0, -1).map((sigma) => this.timestepOf(sigma)),
      sigmas,
    );
    this.stages = undefined;
  }

  /** The timestep of a sigma, a fraction. */
  protected timestepOf(sigma: number): number {
    return f32(timestepOfSigma(sigma, this.logSigmas));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const original = denoised(this.config.predictionType, modelOutput, sample, this.sigmaAt(index));
    const evaluation = { sample, original, options };
    const { value, done } = this.stages ? this.stages.next(evaluation) : this.begin(index, evaluation).next();
    if (done) this.stages = undefined;
    this.stepIndex = index + 1;
    return { prevSample: value, predOriginalSample: original };
  }

  /** `sample` with noise of standard deviation `deviation`, scaled by the config. */
  protected withNoise(sample: Tensor, deviation: number, options: StepOptions): Tensor {
    if (deviation === 0) return sample;
    const noise = this.noise(sample.shape, options).mul(f32(this.config.sNoise));
    return sumFloat32([1, sample], [deviation, noise]);
  }

  private begin(index: number, evaluation: Evaluation): Stages {
    this.stages = this.stepFrom(index, evaluation);
    return this.stages;
  }
}

/** The solvers' time is minus log sigma. */
export const timeOf = (sigma: number) => -logTorch(sigma);
/** See {@link timeOf}. */
export const sigmaOf = (time: number) => expTorch(-time);

/** Euler's step from `from` to `to`. */
export function eulerStep({ sample, original }: Evaluation, from: number, to: number): Tensor {
  return sumFloat32([1, sample], [f32(to - from), sample.sub(original).div(from)]);
}

/** The noise predicted by an evaluation at `sigma`. */
export function noiseOf({ sample, original }: Evaluation, sigma: number): Tensor {
  return sample.sub(original).div(sigma);
}
