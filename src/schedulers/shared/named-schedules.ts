import { ArgumentError } from "../../errors.js";
import { roundTiesToEven } from "../../tensor/round.js";
import { AysSchedules } from "./ays-schedules.js";
import { type BetaConfig, positiveAlphasCumprodOf, trainingSigmas } from "./noise-schedule.js";
import type { Scheduler } from "./scheduler.js";
import { betaSigmas, exponentialSigmas, karrasSigmas } from "./sigma-spacing.js";
import { linspace } from "./timestep-spacing.js";

/** A schedule's name. */
export type ScheduleName =
  | "uniform"
  | "karras"
  | "exponential"
  | "polyexponential"
  | "sgm-uniform"
  | "kl-optimal"
  | "align-your-steps"
  | "align-your-steps-11"
  | "align-your-steps-32"
  | "align-your-steps-gits"
  | "simple"
  | "normal"
  | "ddim"
  | "beta"
  | "turbo";

/** Schedules of noise levels by name, with the web UIs' labels. */
export const SCHEDULES: Readonly<Record<ScheduleName, string>> = {
  uniform: "Uniform",
  karras: "Karras",
  exponential: "Exponential",
  polyexponential: "Polyexponential",
  "sgm-uniform": "SGM Uniform",
  "kl-optimal": "KL Optimal",
  "align-your-steps": "Align Your Steps",
  "align-your-steps-11": "Align Your Steps 11",
  "align-your-steps-32": "Align Your Steps 32",
  "align-your-steps-gits": "Align Your Steps GITS",
  simple: "Simple",
  normal: "Normal",
  ddim: "DDIM",
  beta: "Beta",
  turbo: "Turbo",
};

/** The names of {@link SCHEDULES}. */
export const SCHEDULE_NAMES = Object.keys(SCHEDULES) as readonly ScheduleName[];

/** What decides the numbers of a schedule beside its name. */
export interface ScheduleOptions {
  /** Steps of the run. ddim can give a few more. */
  readonly steps: number;
  /** Whether the model is Stable Diffusion XL, for which Align Your Steps has other numbers; false by default. */
  readonly isXL?: boolean | undefined;
}

/** The last level of Align Your Steps, where the paper's lists end. */
const AYS_END = 0.029;

/** GITS (Chen et al. 2024, arXiv:2405.11326), and a list of 32 levels that follows Align Your Steps, as the web UIs have them. */
const OTHER_STEPS = {
  gits: [14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.24, 0.156, 0.104, 0.094, AYS_END],
  gitsXL: [14.615, 4.734, 2.567, 1.529, 0.987, 0.652, 0.418, 0.268, 0.179, 0.127, AYS_END],
  steps32: [
    14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065, 3.5195609, 3.13490466, 2.79228788, 2.48773628,
    2.21663865, 1.97508351, 1.7793172, 1.61475335, 1.46540953, 1.314849, 1.16642497, 1.03475547, 0.91573744, 0.80748169, 0.71202361,
    0.621739, 0.53065202, 0.4529096, 0.37491455, 0.27461819, 0.2011529, 0.14105873, 0.06682881, 0.03166121, 0.015,
  ],
  steps32XL: [
    14.615, 11.1491618, 8.50522127, 6.48827151, 5.43707402, 4.60398619, 3.89854704, 3.27407457, 2.74396527, 2.29968659, 1.95448514,
    1.67108715, 1.42878152, 1.23181009, 1.06789649, 0.92579443, 0.80290886, 0.69660121, 0.60436903, 0.52852552, 0.46773344, 0.41393379,
    0.36258186, 0.31008517, 0.26518925, 0.22326461, 0.17653877, 0.13959192, 0.10587381, 0.05519369, 0.02877334, 0.015,
  ],
} as const;

/**
 * The noise levels of a schedule for the model that `scheduler` is for, noisiest first, with the level at the end of the run: 0, but for
 * kl-optimal, which ends with the cleanest level of training. They are those of AUTOMATIC1111's web UI and of Forge (turbo, and Align Your
 * Steps 11, 32 and GITS). Give them to a call as `sigmas`.
 * @throws ArgumentError for an unknown name, or a scheduler without the noise levels of training, such as those for flow matching
 */
export function scheduleSigmas(name: ScheduleName, { config, className }: Scheduler, { steps, isXL = false }: ScheduleOptions): number[] {
  if (!Object.hasOwn(SCHEDULES, name)) {
    throw new ArgumentError(`schedule is ${JSON.stringify(name)}; expected one of ${SCHEDULE_NAMES.join(", ")}`, { argument: "schedule" });
  }
  if (!hasTrainingLevels(config)) {
    throw new ArgumentError((option) => `${className} has no noise levels of training, which ${option("schedule")} ${name} is made of`, {
      argument: "schedule",
      hint: (option) => `leave ${option("schedule")} out`,
    });
  }
  const training = trainingSigmas(positiveAlphasCumprodOf(config as unknown as BetaConfig));
  const { length } = training;
  const at = (index: number) => training[Math.min(Math.max(index, 0), length - 1)] as number;
  const range = { min: at(0), max: at(length - 1) };
  const { StableDiffusionSigmas, StableDiffusionXLSigmas } = AysSchedules;
  switch (name) {
    case "karras":
      return [...karrasSigmas(range, steps), 0];
    case "exponential":
    // At the web UI's rho of 1 they are the same.
    case "polyexponential":
      return [...exponentialSigmas(range, steps), 0];
    case "beta":
      return [...betaSigmas(range, steps), 0];
    case "uniform":
    case "normal":
      return [...linspace(length - 1, 0, steps).map((t) => sigmaBetween(t, training)), 0];
    case "sgm-uniform":
      return [...linspace(length - 1, 0, steps + 1).map((t, i) => (i === steps ? 0 : sigmaBetween(t, training)))];
    case "simple":
      return [...Array.from({ length: steps }, (_, i) => at(length - 1 - Math.trunc((i * length) / steps))), 0];
    case "turbo":
      return [...Array.from({ length: steps }, (_, i) => at(roundTiesToEven(((steps - i) * 1000) / steps - 1))), 0];
    case "ddim":
      return [...everyNth(training, Math.max(Math.floor(length / steps), 1)), 0];
    case "kl-optimal": {
      const [cleanest, noisiest] = [Math.atan(range.min), Math.atan(range.max)];
      return Array.from({ length: steps + 1 }, (_, i) => Math.tan((i / steps) * cleanest + (1 - i / steps) * noisiest));
    }
    case "align-your-steps":
    case "align-your-steps-11":
      return [...logLinear([...(isXL ? StableDiffusionXLSigmas : StableDiffusionSigmas).slice(0, -1), AYS_END], steps), 0];
    case "align-your-steps-32":
      return [...logLinear(isXL ? OTHER_STEPS.steps32XL : OTHER_STEPS.steps32, steps), 0];
    case "align-your-steps-gits":
      return [...logLinear(isXL ? OTHER_STEPS.gitsXL : OTHER_STEPS.gits, steps), 0];
  }
}

/** Whether a scheduler's noise levels come from betas, and not from a flow. */
export function hasTrainingLevels(config: object): boolean {
  return "betaSchedule" in config && !("useFlowSigmas" in config && config.useFlowSigmas);
}

/** The training sigma at a fractional timestep, linear in log sigma, as k-diffusion has it. */
function sigmaBetween(timestep: number, training: Float32Array): number {
  const below = Math.floor(timestep);
  const [low, high] = [training[below] as number, training[Math.ceil(timestep)] as number];
  return Math.exp((1 - (timestep - below)) * Math.log(low) + (timestep - below) * Math.log(high));
}

/** Every nth training sigma from the second one, noisiest first. */
function everyNth(training: Float32Array, step: number): number[] {
  return Array.from({ length: Math.ceil((training.length - 1) / step) }, (_, i) => training[1 + i * step] as number).reverse();
}

/** `count` levels between those of a list, linear in log sigma. */
function logLinear(levels: readonly number[], count: number): number[] {
  if (count === levels.length) return [...levels];
  // As numpy: one level is the last one.
  const places = count === 1 ? [levels.length - 1] : linspace(0, levels.length - 1, count);
  return places.map((place) => {
    const below = Math.min(Math.floor(place), levels.length - 2);
    const [high, low] = [levels[below] as number, levels[below + 1] as number];
    return Math.exp(Math.log(high) + (place - below) * (Math.log(low) - Math.log(high)));
  });
}
