import { ArgumentError } from "../errors.js";
import { checkOptions } from "../options/check-options.js";
import { anyNumber, type Fields, flag } from "../options/fields.js";
import type { Tensor } from "../tensor/tensor.js";
import { DDIMScheduler, towards } from "./ddim.js";
import { stepRows } from "./shared/batch-step.js";
import { atTimestep } from "./shared/noise-schedule.js";

/** Options of {@link DDIMParallelScheduler.batchStepNoNoise}. */
export interface DDIMBatchStepOptions {
  /** Must be 0, the default. */
  readonly eta?: number | undefined;
  /** Compute the noise prediction again from the clipped sample; false by default. */
  readonly useClippedModelOutput?: boolean | undefined;
}

const FIELDS: Fields<DDIMBatchStepOptions> = { eta: anyNumber, useClippedModelOutput: flag };

/**
 * DDIM for parallel sampling: a step like DDIM's, and one for many timesteps at once.
 * Shih et al. 2023, "Parallel Sampling of Diffusion Models" (arXiv:2305.16317); Song et al. 2021 (arXiv:2010.02502), equation 12.
 * Matches diffusers' DDIMParallelScheduler.
 */
export class DDIMParallelScheduler extends DDIMScheduler {
  static override readonly className = "DDIMParallelScheduler";

  /**
   * One step for each row of a batch, without noise. `timesteps` has one timestep for each row, or one for all. As in diffusers, the last
   * step ends without noise, whatever `setAlphaToOne` says.
   * @throws ArgumentError before `setTimesteps`, and for an `eta` other than 0.
   */
  batchStepNoNoise(modelOutput: Tensor, timesteps: readonly number[], sample: Tensor, options: DDIMBatchStepOptions = {}): Tensor {
    const { eta = 0, useClippedModelOutput = false } = checkOptions(options, FIELDS, { call: `${this.className}.batchStepNoNoise` });
    if (eta !== 0) throw new ArgumentError(`${this.className}.batchStepNoNoise: eta is ${eta}; expected 0`, { argument: "eta" });
    const stride = this.planned(this.stride);
    return stepRows(modelOutput, timesteps, sample, (output, timestep, row) => {
      const previous = timestep - stride;
      const prediction = this.predict(output, row, atTimestep(this.alphasCumprod, timestep), { useClippedModelOutput });
      return towards(previous >= 0 ? atTimestep(this.alphasCumprod, previous) : 1, { ...prediction, deviation: 0 });
    });
  }
}
