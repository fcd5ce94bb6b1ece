import { roundTiesToEven } from "../../tensor/round.js";
import { f32 } from "../float32/arithmetic.js";
import { sqrtTorch } from "../float32/sqrt.js";
import { type BetaConfig, positiveAlphasCumprodOf, trainingSigmas } from "./noise-schedule.js";
import {
  logSigmasOf,
  namedSpacing,
  type SigmaRange,
  type SpacingFlags,
  shiftFlowSigma,
  sigmaRange,
  sigmasAt,
  timestepOfSigma,
} from "./sigma-spacing.js";
import { linspace } from "./timestep-spacing.js";

/** The noise levels of the training timesteps, cleanest first. */
export interface TrainingNoise {
  readonly alphasCumprod: Float32Array;
  readonly sigmas: Float32Array;
  readonly logSigmas: Float32Array;
  /** The cleanest and the noisiest sigma. */
  readonly range: SigmaRange;
}

/** The noise levels that a config's betas make. */
export function trainingNoise(config: BetaConfig): TrainingNoise {
  const alphasCumprod = positiveAlphasCumprodOf(config);
  const sigmas = trainingSigmas(alphasCumprod);
  return { alphasCumprod, sigmas, logSigmas: logSigmasOf(sigmas), range: { min: sigmas[0] as number, max: sigmas.at(-1) as number } };
}

/** The sigmas of a run without the one it ends on, and the timesteps to evaluate the model at. */
export interface SolverSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
  /** Whether the sigmas are those of the training timesteps, not of a named spacing or a flow. */
  readonly interpolated: boolean;
}

/** How a run is laid out. */
interface ScheduleOptions {
  /** The timesteps, unless the sigmas decide them. */
  readonly timesteps: readonly number[];
  readonly steps: number;
  /** The shift of flow sigmas. */
  readonly flowShift: number;
  /** Default: from the noisiest to the cleanest training sigma. */
  readonly range?: SigmaRange;
  /** Rounds the timesteps of Karras sigmas. */
  readonly round?: (timestep: number) => number;
}

/** The schedule that a config of the DPM-Solver family asks for: a named spacing, a shifted flow, or the training sigmas at `timesteps`. */
export function solverSchedule(
  config: SpacingFlags & { readonly numTrainTimesteps: number; readonly useFlowSigmas: boolean },
  training: TrainingNoise,
  { timesteps, steps, flowShift, range = training.range, round = roundTiesToEven }: ScheduleOptions,
): SolverSchedule {
  const spacing = namedSpacing(config);
  if (spacing) {
    const sigmas = spacing(sigmaRange(config, range), steps);
    const exact = sigmas.map((sigma) => timestepOfSigma(sigma, training.logSigmas));
    return { timesteps: config.useKarrasSigmas ? exact.map(round) : exact, sigmas, interpolated: false };
  }
  if (config.useFlowSigmas) {
    const sigmas = linspace(1, 1 / config.numTrainTimesteps, steps + 1)
      .map((alpha) => shiftFlowSigma(1 - alpha, flowShift))
      .reverse()
      .slice(0, -1);
    return { timesteps: sigmas.map((sigma) => sigma * config.numTrainTimesteps), sigmas, interpolated: false };
  }
  return { timesteps, sigmas: sigmasAt(timesteps, training.sigmas), interpolated: true };
}

/** How many training timesteps have a log-SNR of at least `lambdaMin`; they are the first ones. */
export function timestepsAbove(lambdaMin: number, { alphasCumprod }: TrainingNoise, trainSteps: number): number {
  // Lambdas ascend from the noisiest timestep.
  const lambdas = alphasCumprod.map((a) => f32(Math.log(sqrtTorch(a))) - f32(Math.log(sqrtTorch(f32(1 - a))))).reverse();
  const clipped = lambdas.findIndex((lambda) => lambda >= lambdaMin);
  return trainSteps - (clipped < 0 ? lambdas.length : clipped);
}
