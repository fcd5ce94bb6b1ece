import { alphasCumprodOf, type BetaConfig, trainingSigmas } from "./noise-schedule.js";
import type { Scheduler } from "./scheduler.js";

/**
 * The noise level of one of the scheduler's timesteps, as in Karras et al. 2022: the standard deviation of the noise on a picture that is
 * not scaled down. (With flow matching, the share of noise.) Undefined for a scheduler that has none.
 */
export function sigmaAt({ sigmas, timesteps, config }: Scheduler, timestep: number): number | undefined {
  if (sigmas) return sigmas[timesteps.indexOf(timestep)];
  if (!("betaSchedule" in config)) return undefined;
  return trainingSigmas(alphasCumprodOf(config as unknown as BetaConfig))[Math.round(timestep)];
}
