// What the members of the DPM-Solver family share: Lu et al. 2022 (arXiv:2206.00927) and Lu et al. 2022 (arXiv:2211.01095).
import { ConfigError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { f32 } from "../float32/arithmetic.js";
import { expTorch } from "../float32/exp-log.js";
import { sqrtTorch } from "../float32/sqrt.js";
import { channels } from "./channels.js";
import {
  betaFields,
  flowFields,
  numberFromMinusInfinity,
  oneOf,
  oneOfOrForeign,
  oneSpacing,
  optionalWord,
  sigmaSpacingFields,
  thresholdFields,
} from "./config-fields.js";
import { type LogSnrConfig, LogSnrScheduler } from "./log-snr-scheduler.js";
import type { MultistepConfig } from "./multistep-order.js";
import type { NoiseLevel } from "./noise-level.js";

const ALGORITHM_TYPES = ["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"] as const;
export type AlgorithmType = (typeof ALGORITHM_TYPES)[number];

/** The fields that the whole family has. */
export const dpmSolverFields = () => ({
  ...betaFields(),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity), "flow_prediction" (the flow); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction", "flow_prediction"], "epsilon"),
  ...thresholdFields(),
  /** Which second-order formula. */
  solverType: oneOfOrForeign(["midpoint", "heun"], ["logrho", "bh1", "bh2"], "midpoint"),
  ...sigmaSpacingFields(),
  ...flowFields(),
  /** Leaves out the timesteps whose log-SNR is below: needed by cosine schedules, whose log-SNR has no bound. */
  lambdaMinClipped: numberFromMinusInfinity(),
  /** "learned" and "learned_range" models put a variance behind the first three channels; it is cut off. */
  varianceType: optionalWord(),
});

/** The "++" types integrate the predicted picture, the others the predicted noise; the "sde" types add noise in every step. */
export const algorithmTypeField = <const Words extends readonly AlgorithmType[]>(words: Words) =>
  oneOfOrForeign(words, ["deis"], "dpmsolver++" as Words[number]);

/** What the family's configs have in common. */
export interface DPMSolverConfig extends LogSnrConfig, MultistepConfig {
  readonly algorithmType: AlgorithmType;
  readonly solverType: "midpoint" | "heun";
  readonly varianceType: string | null;
  readonly finalSigmasType?: "zero" | "sigma_min";
}

/** A solver of the family: what it makes of model outputs, and what it refuses. */
export abstract class DPMSolver<Config extends DPMSolverConfig = DPMSolverConfig> extends LogSnrScheduler<Config> {
  constructor(config: Partial<Config> = {}) {
    super(config);
    const { algorithmType, finalSigmasType, predictionType } = this.config;
    oneSpacing(this.className, this.config);
    if (!this.predictsOriginal && finalSigmasType === "zero") {
      throw new ConfigError(`${this.className}: final_sigmas_type "zero" does not go with algorithm_type "${algorithmType}"`, {
        hint: 'set final_sigmas_type to "sigma_min"',
      });
    }
    if (!this.predictsOriginal && predictionType === "flow_prediction") {
      throw new ConfigError(`${this.className}: prediction_type "flow_prediction" needs a "++" algorithm_type; found "${algorithmType}"`);
    }
  }

  /** What the solver integrates: the picture for the "++" types, the noise for the others. */
  protected convert(output: Tensor, sample: Tensor, level: NoiseLevel): Tensor {
    const mean = firstChannelsOfLearned(output, this.config);
    return this.predictsOriginal ? this.toOriginal(mean, sample, level) : this.toNoise(mean, sample, level);
  }

  protected get predictsOriginal(): boolean {
    return this.config.algorithmType.endsWith("++");
  }

  /** Whether steps add noise. */
  protected get isStochastic(): boolean {
    return this.config.algorithmType.startsWith("sde");
  }
}

/**
 * The solver's exact integrals over one step of length `h` in lambda, for a constant, linear and quadratic output, and the noise added.
 * Rounded as torch rounds: for short steps the cancellation in them is most of what they are.
 */
export function solverWeights(kind: AlgorithmType, to: NoiseLevel, from: NoiseLevel, h: number) {
  const exp = expTorch;
  /** `(e^x - 1) / x - 1`, what remains of a linear output. */
  const linear = (change: number, x: number) => f32(f32(change / x) - 1);
  /** `(e^x - 1 - x) / x^2 - 1/2`, what remains of a quadratic one. */
  const quadratic = (change: number, x: number) => f32(f32(f32(change - x) / f32(x ** 2)) - 0.5);
  switch (kind) {
    case "dpmsolver++": {
      const change = f32(exp(-h) - 1);
      return {
        sample: to.sigma / from.sigma,
        d0: -to.alpha * change,
        d1: -to.alpha * linear(change, -h),
        d2: -to.alpha * quadratic(change, -h),
        noise: 0,
      };
    }
    case "dpmsolver": {
      const change = f32(exp(h) - 1);
      return {
        sample: to.alpha / from.alpha,
        d0: -to.sigma * change,
        d1: -to.sigma * linear(change, h),
        d2: -to.sigma * quadratic(change, h),
        noise: 0,
      };
    }
    case "sde-dpmsolver++": {
      const change = f32(exp(-2 * h) - 1);
      return {
        sample: f32(to.sigma / from.sigma) * exp(-h),
        d0: -to.alpha * change,
        d1: -to.alpha * linear(change, -2 * h),
        // diffusers has the quadratic remainder with the other sign on its first term.
        d2: to.alpha * quadratic(-change, 2 * h),
        noise: to.sigma * sqrtTorch(-change),
      };
    }
    case "sde-dpmsolver": {
      const change = f32(exp(h) - 1);
      return {
        sample: to.alpha / from.alpha,
        d0: -2 * to.sigma * change,
        d1: -2 * to.sigma * linear(change, h),
        d2: Number.NaN, // has no third order
        noise: to.sigma * sqrtTorch(f32(exp(2 * h) - 1)),
      };
    }
  }
}

/** The mean of a model that also predicts a variance, the first three channels; any other output as it is. */
export function firstChannelsOfLearned(output: Tensor, config: Pick<DPMSolverConfig, "predictionType" | "varianceType">): Tensor {
  const learned = config.varianceType === "learned" || config.varianceType === "learned_range";
  return learned && config.predictionType === "epsilon" ? channels(output, 0, Math.min(3, output.shape[1] ?? 0)) : output;
}
