import { endsTwice, geometricMiddle, KDPM2Scheduler, type KDPM2Stage, kDPM2Schema } from "./shared/k-dpm-2-scheduler.js";
import { timestepOfTensorSigma } from "./shared/sigma-spacing.js";
import { ancestralSigmas } from "./shared/variance-exploding.js";

/**
 * Ancestral sampling with DPM-Solver-2 steps: each step goes below the next sigma, by way of its midpoint, and adds noise back up to it.
 * Karras et al. 2022 (arXiv:2206.00364), Algorithm 2 without churn; the split into down and up is k-diffusion's sample_dpm_2_ancestral.
 * Matches diffusers' KDPM2AncestralDiscreteScheduler.
 */
export class KDPM2AncestralDiscreteScheduler extends KDPM2Scheduler {
  static override readonly className = "KDPM2AncestralDiscreteScheduler";
  static override readonly schema = kDPM2Schema;

  declare private middles: readonly number[];
  declare private downs: readonly number[];
  declare private ups: readonly number[];

  protected override stages(sigmas: readonly number[]): readonly number[] {
    const splits = sigmas.map((sigma, i) => ancestralSigmas(sigma, sigmas[i + 1] ?? 0));
    const middles = splits.map(({ down }, i) => (i >= sigmas.length - 2 ? 0 : geometricMiddle(sigmas[i] as number, down)));
    this.middles = endsTwice(middles);
    this.downs = endsTwice(splits.map(({ down }) => down));
    this.ups = endsTwice(splits.map(({ up }) => up));
    return middles.map((sigma) => timestepOfTensorSigma(sigma, this.logSigmas));
  }

  protected override stageAt(index: number): KDPM2Stage {
    const [middle, down, up] = [this.middles, this.downs, this.ups].map((values) => values.at(index) as number) as [number, number, number];
    return { middle, down, up };
  }
}
