import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type NoiseLevel, noiseLevel, type StepLevels } from "./noise-level.js";
import type { BetaConfig } from "./noise-schedule.js";
import type { PredictionConfig } from "./prediction.js";
import { SigmaScheduler } from "./sigma-scheduler.js";
import type { SpacingFlags } from "./sigma-spacing.js";
import { trainingNoise } from "./solver-schedule.js";

/** What the DPM-Solver family has in common. */
export interface LogSnrConfig extends BetaConfig, PredictionConfig, SpacingFlags {
  readonly useFlowSigmas: boolean;
  readonly flowShift: number;
  readonly useDynamicShifting?: boolean;
}

/**
 * The solvers that work in log-SNR (DPM-Solver, UniPC, DEIS, SA-Solver): they combine the last few predictions of the picture or of the
 * noise, with fewer of them in the first steps.
 */
export abstract class LogSnrScheduler<Config extends LogSnrConfig = LogSnrConfig> extends SigmaScheduler<Config> {
  protected readonly training = trainingNoise(this.config);
  /** The converted model outputs of this run, newest first; undefined before `setTimesteps`. */
  protected outputs: readonly Tensor[] | undefined;
  /** The shift of flow sigmas: the config's, until a run's `mu` replaces it. */
  protected flowShift = this.config.flowShift;
  override timesteps: readonly number[] = Array.from(this.training.sigmas.keys()).reverse();
  /** The noise level of every timestep, followed by the level at the end of the run. */
  override sigmas: readonly number[] = Array.from(this.training.sigmas);

  protected override start(timesteps: readonly number[], sigmas: readonly number[]): void {
    super.start(timesteps, sigmas);
    this.outputs = [];
  }

  /** Shifts flow sigmas by exp(`mu`) from now on. */
  protected takeMu(mu: number | undefined): void {
    if (mu === undefined) return;
    if (!this.config.useDynamicShifting)
      throw new ArgumentError(`${this.className} takes mu only with use_dynamic_shifting`, { argument: "mu" });
    this.flowShift = Math.exp(mu);
  }

  /** How noisy the sample is before step `index`; `timesteps.length` is after the last one. */
  protected override levelAt(index: number): NoiseLevel {
    return noiseLevel(this.sigmaAt(index), this.config.useFlowSigmas ? "flow" : "vp");
  }

  /** The levels that a step of `order` at a position takes. */
  protected levelsOf(index: number, order: number): StepLevels {
    const before = Array.from({ length: order - 1 }, (_, i) => this.levelAt(index - 1 - i));
    return [this.levelAt(index + 1), this.levelAt(index), ...before];
  }

  /** A timestep that is not in the schedule counts as the last one, as in diffusers. */
  protected override indexOf(timestep: number): number {
    return this.timesteps.includes(timestep) ? super.indexOf(timestep) : this.timesteps.length - 1;
  }
}
