import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { checkOptions, expectField } from "../options/check-options.js";
import { type Fields, real as realNumber, tensor, whole as wholeNumber } from "../options/fields.js";
import type { Generator } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, linspaceFloat32, sumFloat32 } from "./float32/arithmetic.js";
import { expTorch } from "./float32/exp-log.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { real, whole } from "./shared/config-fields.js";
import { mixRows } from "./shared/forward-process.js";
import { atTimestep } from "./shared/noise-schedule.js";
import { GENERATOR_FIELDS, Scheduler, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";

const schema = v.strictObject({
  /** Timesteps of the forward process, 1 to 100,000; 2000 by default. */
  numTrainTimesteps: whole(2000, 1, 100_000),
  /** The signal-to-noise ratio of a correction: the size of its step compared with its noise; 0.15 by default. */
  snr: real(0.15),
  /** The smallest noise level; 0.01 by default. */
  sigmaMin: real(0.01),
  /** The largest noise level; 1348 by default. */
  sigmaMax: real(1348),
  /** The last time of a run, which begins at 1; 1e-5 by default. */
  samplingEps: real(1e-5),
  /** Corrections before each step; 1 by default. */
  correctSteps: whole(1),
});

/** Config of a {@link ScoreSdeVeScheduler}, with its defaults filled in. @interface */
export type ScoreSdeVeConfig = v.InferOutput<typeof schema>;

/** Options of a step. */
export interface ScoreSdeStepOptions {
  /** The source of noise: one generator for all images, or one for each image. Without it, the noise cannot be reproduced. */
  readonly generator?: Generator | readonly Generator[] | undefined;
}

/** Options of {@link ScoreSdeVeScheduler.setSigmas}, instead of the config's values. */
export interface ScoreSdeVeSigmaOptions {
  /** The smallest noise level. */
  readonly sigmaMin?: number | undefined;
  /** The largest noise level. */
  readonly sigmaMax?: number | undefined;
}

const SIGMA_FIELDS: Fields<ScoreSdeVeSigmaOptions> = { sigmaMin: realNumber(), sigmaMax: realNumber() };
const STEPS = wholeNumber(1);
const TIMESTEP = realNumber();

/** The result of a prediction. */
export interface ScoreSdeOutput {
  /** The sample after the step; the input of the next step. */
  readonly prevSample: Tensor;
  /** The sample before noise is added. After the last step this is the picture. */
  readonly prevSampleMean: Tensor;
}

/**
 * The reverse of a stochastic differential equation whose variance explodes: at every time, corrections by Langevin dynamics
 * (`stepCorrect`), then a step to the next time (`stepPred`). The network takes the noise level, `sigmas[i]`, as its timestep, and predicts
 * the score. Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations" (arXiv:2011.13456), equations 6
 * and 47, Algorithms 2 and 4. Matches diffusers' ScoreSdeVeScheduler.
 */
export class ScoreSdeVeScheduler extends Scheduler<ScoreSdeVeConfig> {
  static override readonly className = "ScoreSdeVeScheduler";
  static override readonly schema = schema;

  declare sigmas: readonly number[];
  private discreteSigmas: Float32Array = new Float32Array();

  constructor(config: Partial<ScoreSdeVeConfig> = {}) {
    super(config);
    const { numTrainTimesteps } = this.config;
    this.plan({ numInferenceSteps: numTrainTimesteps });
    this.setSigmas(numTrainTimesteps);
  }

  override get initNoiseSigma(): number {
    return this.config.sigmaMax;
  }

  /** Only the timesteps, as in diffusers: call `setSigmas` as well. */
  protected override plan({ numInferenceSteps = 0 }: TimestepOptions): void {
    this.timesteps = Array.from(linspaceFloat32(1, this.config.samplingEps, numInferenceSteps));
  }

  /** Sets the noise levels of a run of this many steps. Call `setTimesteps` with the same number before. */
  setSigmas(numInferenceSteps: number, options: ScoreSdeVeSigmaOptions = {}): void {
    const steps = expectField("numInferenceSteps", numInferenceSteps, STEPS);
    const given = checkOptions(options, SIGMA_FIELDS, { call: `${this.className}.setSigmas` });
    const { sigmaMin = this.config.sigmaMin, sigmaMax = this.config.sigmaMax } = given;
    const ratio = f32(sigmaMax / sigmaMin);
    this.sigmas = this.timesteps.map((time) => f32(f32(sigmaMin) * f32(ratio ** time)));
    this.discreteSigmas = linspaceFloat32(Math.log(sigmaMin), Math.log(sigmaMax), steps).map(expTorch);
  }

  /**
   * A step to the next time.
   * @param modelOutput the score at `sample`, of the same shape.
   * @param timestep one of `timesteps`.
   */
  stepPred(modelOutput: Tensor, timestep: number, sample: Tensor, options: ScoreSdeStepOptions = {}): ScoreSdeOutput {
    expectField("modelOutput", modelOutput, tensor);
    expectField("timestep", timestep, TIMESTEP);
    expectField("sample", sample, tensor);
    const { generator } = checkOptions(options, GENERATOR_FIELDS, { call: `${this.className}.stepPred` });
    const index = Math.trunc(f32(f32(timestep) * (this.timesteps.length - 1)));
    const sigma = atTimestep(this.discreteSigmas, index);
    const next = index === 0 ? 0 : atTimestep(this.discreteSigmas, index - 1);
    const diffusion = sqrtTorch(f32(f32(sigma ** 2) - f32(next ** 2)));
    // Equation 6 backwards in time, without drift.
    const prevSampleMean = sumFloat32([1, sample], [f32(diffusion ** 2), modelOutput]);
    const noise = this.noise(sample.shape, { generator });
    return { prevSample: sumFloat32([1, prevSampleMean], [diffusion, noise]), prevSampleMean };
  }

  /**
   * A correction of the sample at its noise level (Algorithm 4).
   * @param modelOutput the score at `sample`, of the same shape.
   */
  stepCorrect(modelOutput: Tensor, sample: Tensor, options: ScoreSdeStepOptions = {}): Pick<ScoreSdeOutput, "prevSample"> {
    expectField("modelOutput", modelOutput, tensor);
    expectField("sample", sample, tensor);
    const { generator } = checkOptions(options, GENERATOR_FIELDS, { call: `${this.className}.stepCorrect` });
    const noise = this.noise(sample.shape, { generator });
    const ratio = f32(f32(f32(this.config.snr) * meanNorm(noise)) / meanNorm(modelOutput));
    const size = f32(f32(ratio ** 2) * 2);
    return { prevSample: sumFloat32([1, sample], [size, modelOutput], [sqrtTorch(f32(size * 2)), noise]) };
  }

  /** @throws ArgumentError: this scheduler has two kinds of steps. */
  protected override takeStep(): StepOutput {
    throw new ArgumentError(`${this.className} has no single step: its steps are stepCorrect and stepPred`, {
      argument: "scheduler",
      hint: "ScoreSdeVePipeline calls them; other pipelines need another scheduler",
    });
  }

  /** `timesteps` are whole: the positions of noise levels, the smallest first. */
  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return mixRows(noise, original, timesteps, (timestep) => [atTimestep(this.discreteSigmas, timestep), 1]);
  }
}

/** The mean of the rows' Euclidean norms. */
function meanNorm(rows: Tensor): number {
  const [count = 1] = rows.shape;
  const width = rows.size / count;
  let sum = 0;
  for (let row = 0; row < count; row++) {
    let squares = 0;
    for (let i = row * width; i < (row + 1) * width; i++) squares += (rows.data[i] as number) ** 2;
    sum += f32(Math.sqrt(squares));
  }
  return f32(sum / count);
}
