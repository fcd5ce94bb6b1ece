import { endsTwice, geometricMiddle, KDPM2Scheduler, type KDPM2Stage, kDPM2Schema } from "./shared/k-dpm-2-scheduler.js";
import { timestepOfTensorSigma } from "./shared/sigma-spacing.js";

/**
 * DPM-Solver-2 along the sigmas: every step but the last evaluates the model again at the step's midpoint.
 * Karras et al. 2022 (arXiv:2206.00364), Algorithm 2 without churn, with the DPM-2 steps of Lu et al. 2022 (arXiv:2206.00927).
 * Matches diffusers' KDPM2DiscreteScheduler.
 */
export class KDPM2DiscreteScheduler extends KDPM2Scheduler {
  static override readonly className = "KDPM2DiscreteScheduler";
  static override readonly schema = kDPM2Schema;

  declare private middles: readonly number[];

  protected override stages(sigmas: readonly number[]): readonly number[] {
    const middles = sigmas.slice(1).map((sigma, i) => geometricMiddle(sigma, sigmas[i] as number));
    this.middles = endsTwice([Number.NaN, ...middles]);
    return middles.map((sigma) => timestepOfTensorSigma(sigma, this.logSigmas));
  }

  protected override stageAt(index: number): KDPM2Stage {
    return { middle: this.middles.at(index + 1) ?? Number.NaN, down: this.sigmaAt(index + 1) };
  }
}
