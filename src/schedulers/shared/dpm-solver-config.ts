import { ArgumentError, ConfigError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
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
import type { AlgorithmType, SolverFormula } from "./dpm-solver.js";
import type { LogSnrConfig } from "./log-snr-scheduler.js";
import type { NoiseLevel } from "./noise-level.js";
import { thresholdedNoise, thresholdedOriginal, withoutVariance } from "./prediction.js";

/** The fields that the whole DPM-Solver family has. */
export const dpmSolverFields = () => ({
  ...betaFields(),
  /**
   * What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity), "flow_prediction" (the flow);
   * "epsilon" by default.
   */
  predictionType: oneOf(["epsilon", "sample", "v_prediction", "flow_prediction"], "epsilon"),
  ...thresholdFields(),
  /** Which second-order formula. */
  solverType: oneOfOrForeign(["midpoint", "heun"], ["logrho", "bh1", "bh2"], "midpoint"),
  ...sigmaSpacingFields(),
  ...flowFields(),
  /** Timesteps with a smaller log-SNR are left out. Cosine schedules need it, because their log-SNR has no lower bound. */
  lambdaMinClipped: numberFromMinusInfinity(),
  /** Models with "learned" and "learned_range" give a variance after the first three channels; it is ignored. */
  varianceType: optionalWord(),
});

/** The algorithms a class has, and what its configs may name instead: another family's word stands for the default. */
export const algorithmTypeField = <const Words extends readonly AlgorithmType[]>(words: Words) =>
  oneOfOrForeign(words, ["deis"], "dpmsolver++" as Words[number]);

/** What the family's configs have in common. */
export interface DPMSolverConfig extends LogSnrConfig, SolverFormula {
  readonly solverOrder: number;
  readonly lowerOrderFinal: boolean;
  readonly varianceType: string | null;
  readonly finalSigmasType?: "zero" | "sigma_min";
}

/** @throws ConfigError if fields of a config contradict each other. */
export function refuseContradictions(className: string, config: DPMSolverConfig): void {
  const { algorithmType, finalSigmasType, predictionType } = config;
  oneSpacing(className, config);
  if (integratesPicture(config)) return;
  if (finalSigmasType === "zero") {
    throw new ConfigError(`${className}: final_sigmas_type "zero" does not go with algorithm_type "${algorithmType}"`, {
      hint: 'set final_sigmas_type to "sigma_min"',
    });
  }
  if (predictionType === "flow_prediction") {
    throw new ConfigError(`${className}: prediction_type "flow_prediction" needs a "++" algorithm_type; found "${algorithmType}"`);
  }
}

/** @throws ArgumentError if a run has steps of an order above 2, which the `missing` algorithms do not have. */
export function refuseThirdOrder(
  className: string,
  { algorithmType, solverOrder }: DPMSolverConfig,
  orders: readonly number[],
  missing: readonly AlgorithmType[],
): void {
  if (missing.includes(algorithmType) && orders.some((order) => order > 2)) {
    throw new ArgumentError(`${className}: algorithm_type "${algorithmType}" has no third order; solver_order is ${solverOrder}`);
  }
}

/** What the solver integrates: the predicted picture, or the predicted noise. */
export function integrand(config: DPMSolverConfig, output: Tensor, sample: Tensor, level: NoiseLevel): Tensor {
  const mean = withoutVariance(output, config);
  return integratesPicture(config) ? thresholdedOriginal(config, mean, sample, level) : thresholdedNoise(config, mean, sample, level);
}

/** Whether the solver integrates the predicted picture, not the predicted noise. */
export function integratesPicture({ algorithmType }: SolverFormula): boolean {
  return algorithmType.endsWith("++");
}

/** Whether steps add noise. */
export function isStochastic({ algorithmType }: SolverFormula): boolean {
  return algorithmType.startsWith("sde");
}
