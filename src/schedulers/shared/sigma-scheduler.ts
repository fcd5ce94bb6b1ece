import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { mixRows } from "./forward-process.js";
import type { Mixture } from "./prediction.js";
import { Scheduler } from "./scheduler.js";

/** A scheduler whose steps go from one of `sigmas` to the next. */
export abstract class SigmaScheduler<Config extends object = object> extends Scheduler<Config> {
  declare sigmas: readonly number[];

  override setBeginIndex(beginIndex: number): void {
    this.beginAt(beginIndex);
  }

  /** Takes the timesteps and sigmas of a new run. */
  protected start(timesteps: readonly number[], sigmas: readonly number[]): void {
    this.timesteps = timesteps;
    this.sigmas = sigmas;
    this.restart();
  }

  /** The sigma at a position; negative positions count from the end, as in Python. */
  protected sigmaAt(index: number): number {
    const sigma = this.sigmas.at(index);
    if (sigma === undefined) {
      throw new ArgumentError(`${this.className}: all ${this.timesteps.length} steps are done`, {
        hint: "call setTimesteps for another run",
      });
    }
    return sigma;
  }

  /** The amounts of picture and noise in a sample at a position. Here: the picture, and sigma times the noise. */
  protected levelAt(index: number): Pick<Mixture, "alpha" | "sigma"> {
    return { alpha: 1, sigma: this.sigmaAt(index) };
  }

  /** Adds the noise of the position of each timestep, or, in a run that starts at `setBeginIndex`, of the run's position. */
  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return mixRows(original, noise, timesteps, (timestep) => {
      const index = this.beginIndex === undefined ? this.indexOf(timestep) : (this.stepIndex ?? this.beginIndex);
      const { alpha, sigma } = this.levelAt(index);
      return [alpha, sigma];
    });
  }
}
