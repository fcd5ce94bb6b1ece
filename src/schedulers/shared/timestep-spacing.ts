import { roundTiesToEven } from "../../tensor/round.js";
/** How inference timesteps are laid over the training timesteps (Lin et al. 2023, "Common Diffusion Noise Schedules", Table 2). */
export const TIMESTEP_SPACINGS = ["linspace", "leading", "trailing"] as const;
/** How a scheduler lays inference timesteps over the training timesteps (Lin et al. 2023, Table 2). */
export type TimestepSpacing = (typeof TIMESTEP_SPACINGS)[number];

/** Options of a spacing. `last` (default: `trainSteps`) is one more than the noisiest timestep allowed. */
export interface SpacingOptions {
  readonly steps: number;
  readonly trainSteps: number;
  readonly offset: number;
  readonly last?: number;
}

/** The timesteps of a run, noisiest first. "linspace" gives fractions; callers round them where diffusers does. */
export function spacedTimesteps(spacing: TimestepSpacing, { steps, trainSteps, offset }: SpacingOptions): number[] {
  switch (spacing) {
    case "linspace":
      return linspace(0, trainSteps - 1, steps).reverse();
    case "leading": {
      const ratio = Math.floor(trainSteps / steps);
      return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + offset);
    }
    case "trailing":
      return trailing(trainSteps, trainSteps / steps);
  }
}

/** The timesteps of the DPM-Solver family, noisiest first: spaced for one step more, without the last (cleanest) timestep. */
export function solverTimesteps(spacing: TimestepSpacing, { steps, trainSteps, offset, last = trainSteps }: SpacingOptions): number[] {
  switch (spacing) {
    case "linspace":
      return linspace(0, last - 1, steps + 1)
        .map(roundTiesToEven)
        .reverse()
        .slice(0, -1);
    case "leading": {
      const ratio = Math.floor(last / (steps + 1));
      return Array.from({ length: steps }, (_, i) => (steps - i) * ratio + offset);
    }
    case "trailing":
      return trailing(last, trainSteps / steps);
  }
}

/** `np.linspace(start, stop, count)` in double precision. */
export function linspace(start: number, stop: number, count: number): number[] {
  const step = (stop - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 && count > 1 ? stop : i === 0 ? start : i * step + start));
}

// np.arange steps by the rounded difference of its first two values. With an uneven ratio there can be one timestep more.
function trailing(start: number, ratio: number): number[] {
  const step = start - ratio - start;
  return Array.from({ length: Math.ceil(start / ratio) }, (_, i) => roundTiesToEven(start + i * step) - 1);
}
