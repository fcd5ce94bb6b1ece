import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { IndexedScheduler } from "./indexed-scheduler.js";
import { mixRows } from "./scheduler.js";

/** A scheduler whose steps go from one of `sigmas` to the next. */
export abstract class SigmaScheduler<Config extends object = object> extends IndexedScheduler<Config> {
  declare sigmas: readonly number[];

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

  /** The position whose sigma `addNoise` uses: by timestep before a run has begun, then the run's own. */
  protected noisingIndex(timestep: number): number {
    return this.beginIndex === undefined ? this.indexOf(timestep) : (this.stepIndex ?? this.beginIndex);
  }

  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return mixRows(original, noise, timesteps, (timestep) => [1, this.sigmaAt(this.noisingIndex(timestep))]);
  }
}
