import type { Tensor } from "../tensor/tensor.js";
import { DDPMScheduler } from "./ddpm.js";
import { stepRows } from "./shared/batch-step.js";

/**
 * DDPM for parallel sampling: a step like DDPM's, and one for many timesteps at once.
 * Shih et al. 2023, "Parallel Sampling of Diffusion Models" (arXiv:2305.16317); Ho et al. 2020 (arXiv:2006.11239), equations 7 and 15.
 * Matches diffusers' DDPMParallelScheduler.
 */
export class DDPMParallelScheduler extends DDPMScheduler {
  static override readonly className = "DDPMParallelScheduler";

  /**
   * One step for each row of a batch, without noise. `timesteps` has one timestep for each row, or one for all. As in diffusers, the
   * timestep before t is t minus `numTrainTimesteps / numInferenceSteps`, and custom timesteps count as all of the training's.
   */
  batchStepNoNoise(modelOutput: Tensor, timesteps: readonly number[], sample: Tensor): Tensor {
    const { numTrainTimesteps } = this.config;
    const stride = Math.floor(numTrainTimesteps / (this.numInferenceSteps ?? numTrainTimesteps));
    return stepRows(modelOutput, timesteps, sample, (output, timestep, row) => {
      const { mean } = this.split(output, row);
      return this.posteriorMean(mean, row, this.levels(timestep, timestep - stride)).prevSample;
    });
  }
}
