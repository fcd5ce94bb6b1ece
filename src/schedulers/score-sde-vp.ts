import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { checkOptions, expectField } from "../options/check-options.js";
import { real as realNumber, tensor } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, linspaceFloat32, sumFloat32 } from "./float32/arithmetic.js";
import { expTorch } from "./float32/exp-log.js";
import { sqrtTorch } from "./float32/sqrt.js";
import type { ScoreSdeOutput, ScoreSdeStepOptions } from "./score-sde-ve.js";
import { real, whole } from "./shared/config-fields.js";
import { GENERATOR_FIELDS, Scheduler, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";

const schema = v.strictObject({
  /** Timesteps of the forward process, 1 to 100,000; 2000 by default. */
  numTrainTimesteps: whole(2000, 1, 100_000),
  /** Beta, the rate of noise, at time 0; 0.1 by default. */
  betaMin: real(0.1),
  /** Beta at time 1; 20 by default. */
  betaMax: real(20),
  /** The last time of a run, which begins at 1; 0.001 by default. */
  samplingEps: real(1e-3),
});

/** Config of a {@link ScoreSdeVpScheduler}, with its defaults filled in. @interface */
export type ScoreSdeVpConfig = v.InferOutput<typeof schema>;

const TIME = realNumber();

/**
 * The reverse of a stochastic differential equation that preserves the variance, by Euler-Maruyama steps (`stepPred`).
 * Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations" (arXiv:2011.13456), equations 6, 11 and 33.
 * Matches diffusers' ScoreSdeVpScheduler.
 */
export class ScoreSdeVpScheduler extends Scheduler<ScoreSdeVpConfig> {
  static override readonly className = "ScoreSdeVpScheduler";
  static override readonly schema = schema;

  private isPlanned: true | undefined;

  protected override plan({ numInferenceSteps = 0 }: TimestepOptions): void {
    this.timesteps = Array.from(linspaceFloat32(1, this.config.samplingEps, numInferenceSteps));
    this.isPlanned = true;
  }

  /**
   * A step to the next time.
   * @param score the network's output at `x`: the noise, which is scaled to the score here.
   * @param x the sample, of the same shape.
   * @param t one of `timesteps`.
   * @throws ArgumentError before `setTimesteps`.
   */
  stepPred(score: Tensor, x: Tensor, t: number, options: ScoreSdeStepOptions = {}): ScoreSdeOutput {
    expectField("score", score, tensor);
    expectField("x", x, tensor);
    const time = f32(expectField("t", t, TIME));
    const { generator } = checkOptions(options, GENERATOR_FIELDS, { call: `${this.className}.stepPred` });
    this.planned(this.isPlanned);
    const { betaMin, betaMax } = this.config;
    // Equation 33: the logarithm of the picture's share at this time.
    const quadratic = f32(f32(-0.25 * f32(time ** 2)) * f32(betaMax - betaMin));
    const logShare = f32(quadratic - f32(f32(0.5 * time) * f32(betaMin)));
    const deviation = sqrtTorch(f32(1 - expTorch(f32(2 * logShare))));
    const scaled = score.mul(-1).div(deviation);

    const interval = -1 / this.timesteps.length;
    const beta = f32(f32(betaMin) + f32(time * f32(betaMax - betaMin)));
    const diffusion = sqrtTorch(beta);
    const drift = sumFloat32([f32(-0.5 * beta), x], [-f32(diffusion ** 2), scaled]);
    const prevSampleMean = sumFloat32([1, x], [interval, drift]);
    const noise = this.noise(x.shape, { generator });
    return { prevSample: sumFloat32([1, prevSampleMean], [f32(diffusion * f32(Math.sqrt(-interval))), noise]), prevSampleMean };
  }

  /** @throws ArgumentError: diffusers has no pipeline for this scheduler. */
  protected override takeStep(): StepOutput {
    throw new ArgumentError(`${this.className} has no step for pipelines: its step is stepPred, whose timesteps are times from 1 to 0`, {
      argument: "scheduler",
      hint: "choose another scheduler, such as DDPMScheduler",
    });
  }
}
