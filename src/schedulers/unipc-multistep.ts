import * as v from "valibot";
import { ArgumentError, ConfigError } from "../errors.js";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import {
  betaFields,
  flag,
  flowFields,
  oneOf,
  oneOfOrForeign,
  oneSpacing,
  optionalReal,
  sigmaSpacingFields,
  spacingFields,
  thresholdFields,
  unsupported,
  whole,
  wholeNumbers,
} from "./shared/config-fields.js";
import { LogSnrScheduler } from "./shared/log-snr-scheduler.js";
import type { NoiseLevel } from "./shared/noise-level.js";
import { thresholdedNoise, thresholdedOriginal } from "./shared/prediction.js";
import type { StepOutput, TimestepOptions } from "./shared/scheduler.js";
import {
  namedSpacing,
  shiftFlowSigma,
  shiftFlowSigmaByMu,
  sigmaRange,
  sigmasAt,
  stretchToTerminal,
  timestepOfSigma,
} from "./shared/sigma-spacing.js";
import { linspace, solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...betaFields(),
  /** The order of the predictor; that of the corrector is one higher. */
  solverOrder: whole(2, 1),
  /**
   * What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity), "flow_prediction" (the flow);
   * "epsilon" by default.
   */
  predictionType: oneOf(["epsilon", "sample", "v_prediction", "flow_prediction"], "epsilon"),
  ...thresholdFields(),
  /** Integrate the predicted picture; otherwise the predicted noise. */
  predictX0: flag(true),
  /** The paper's B(h): h or exp(h) - 1. */
  solverType: oneOfOrForeign(["bh1", "bh2"], ["midpoint", "heun", "logrho"], "bh2"),
  /** Lower the order in the last steps. */
  lowerOrderFinal: flag(true),
  /** Steps after which the corrector is left out. */
  disableCorrector: wholeNumbers(),
  /** Another scheduler for the first steps, which diffusers allows; not supported. */
  solverP: unsupported("null: another scheduler as predictor is not supported"),
  ...sigmaSpacingFields(),
  ...flowFields(),
  ...spacingFields("linspace"),
  /** Where the last step ends: at no noise, or at the cleanest sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
  /** Shift sigmas by the `mu` given to `setTimesteps`; false by default. */
  useDynamicShifting: flag(false),
  /** How `mu` shifts sigmas under dynamic shifting; "exponential" by default. */
  timeShiftType: oneOf(["exponential", "linear"], "exponential"),
  /** Ends of the named spacings; null takes them from the training sigmas. */
  sigmaMin: optionalReal(),
  /** The largest noise level of a run; null takes it from the training sigmas. */
  sigmaMax: optionalReal(),
  /** The last flow sigma is stretched to this value. */
  shiftTerminal: optionalReal(),
});

/** Config of a {@link UniPCMultistepScheduler}, with its defaults filled in. @interface */
export type UniPCMultistepConfig = v.InferOutput<typeof schema>;

/** Keeps the first flow sigma below 1, where lambda would be infinite. */
const BELOW_ONE = 1e-6;

/**
 * UniPC: a multistep predictor of any order, and a corrector that reuses the next evaluation of the model.
 * Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework" (arXiv:2302.04867), equations 3, 5 and 9, Algorithms 1 and 2.
 * Matches diffusers' UniPCMultistepScheduler.
 */
export class UniPCMultistepScheduler extends LogSnrScheduler<UniPCMultistepConfig> {
  static override readonly className = "UniPCMultistepScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["sigmas", "mu"] as const;
  private lastSample: Tensor | undefined;
  private lastOrder = 0;

  constructor(config: Partial<UniPCMultistepConfig> = {}) {
    super(config);
    const { shiftTerminal, useFlowSigmas, predictX0, predictionType } = this.config;
    oneSpacing(this.className, this.config);
    if (shiftTerminal !== null && !useFlowSigmas) throw new ConfigError(`${this.className}: shift_terminal needs use_flow_sigmas`);
    if (!predictX0 && predictionType === "flow_prediction") {
      throw new ConfigError(`${this.className}: prediction_type "flow_prediction" needs predict_x0`);
    }
  }

  override get takesSigmas(): boolean {
    return this.config.useFlowSigmas;
  }

  protected override plan({ numInferenceSteps, sigmas: custom, mu }: TimestepOptions): void {
    const { config, training } = this;
    if (config.useDynamicShifting && mu === undefined)
      throw new ArgumentError(`${this.className}: use_dynamic_shifting needs mu`, { argument: "mu" });
    if (custom && !config.useFlowSigmas)
      throw new ArgumentError(`${this.className} takes custom sigmas only with use_flow_sigmas`, { argument: "sigmas" });
    const steps = custom?.length ?? numInferenceSteps ?? 0;
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset } = config;
    let timesteps = solverTimesteps(timestepSpacing, { steps, trainSteps, offset });
    let sigmas: number[];
    let cleanest: number | undefined;

    const spacing = namedSpacing(config);
    if (spacing) {
      const table = custom ?? training.sigmas;
      const logTable = custom ? custom.map(Math.log) : training.logSigmas;
      sigmas = spacing(sigmaRange(config, { min: table[0] as number, max: table.at(-1) as number }), steps);
      if (config.useKarrasSigmas && config.useFlowSigmas) {
        sigmas = sigmas.map((sigma) => sigma / (sigma + 1));
        timesteps = sigmas.map((sigma) => sigma * trainSteps);
      } else {
        timesteps = sigmas.map((sigma) => timestepOfSigma(sigma, logTable)).map((t) => (config.useKarrasSigmas ? roundTiesToEven(t) : t));
      }
    } else if (config.useFlowSigmas) {
      sigmas = this.flowSigmas(custom ?? linspace(1, 1 / trainSteps, steps + 1).slice(0, -1), mu);
      timesteps = sigmas.map((sigma) => sigma * trainSteps);
    } else {
      sigmas = sigmasAt(timesteps, training.sigmas);
      cleanest = training.range.min;
    }
    const last = config.finalSigmasType === "zero" ? 0 : (cleanest ?? sigmas.at(-1) ?? 0);
    this.start(timesteps.map(Math.trunc), [...sigmas, last].map(f32));
    this.lastSample = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor): StepOutput {
    const earlier = this.planned(this.outputs);
    const { solverOrder, lowerOrderFinal, predictX0, disableCorrector } = this.config;
    const index = this.currentIndex(timestep);
    const level = this.levelAt(index);
    // Unlike DPM-Solver, UniPC does not threshold noise predictions.
    const converted = predictX0
      ? thresholdedOriginal(this.config, modelOutput, sample, level)
      : thresholdedNoise({ ...this.config, thresholding: false }, modelOutput, sample, level);

    const corrects = index > 0 && !disableCorrector.includes(index - 1) && this.lastSample !== undefined;
    const corrected = corrects ? this.correct(index, this.lastSample as Tensor, converted, earlier) : sample;
    const known = earlier.length + 1;
    this.outputs = [converted, ...earlier].slice(0, solverOrder);
    this.lastSample = corrected;
    this.lastOrder = Math.min(solverOrder, known, lowerOrderFinal ? this.timesteps.length - index : solverOrder);
    this.stepIndex = index + 1;
    return { prevSample: this.predict(index, corrected, this.outputs) };
  }

  /** UniP, equation 5: the sample after the step at `index`. */
  private predict(index: number, sample: Tensor, outputs: readonly Tensor[]): Tensor {
    const order = this.lastOrder;
    const update = this.update(index, index + 1, order, outputs);
    const { matrix, rhs, slopes } = update;
    // The weight of order 2 is a half. Higher orders solve the system without its last row, which is for the corrector.
    const weights =
      order === 2
        ? [0.5]
        : solveFloat32(
            matrix.slice(0, -1).map((row) => row.slice(0, -1)),
            rhs.slice(0, -1),
          );
    const terms = slopes.map((slope, i): [number, Tensor] => [update.step * (weights[i] as number), slope]);
    // Without slopes, diffusers multiplies the step by an empty sum: an infinite step (bh1 down to sigma 0) gives NaN, there and here.
    if (terms.length === 0) terms.push([update.step * 0, sample]);
    return sumFloat32(...update.base(sample), ...terms);
  }

  /** UniC, equation 9: the sample before the step at `index`, corrected by the model's output there. */
  private correct(index: number, lastSample: Tensor, output: Tensor, outputs: readonly Tensor[]): Tensor {
    const update = this.update(index - 1, index, this.lastOrder, outputs);
    const { matrix, rhs, slopes } = update;
    const weights = this.lastOrder === 1 ? [0.5] : solveFloat32(matrix, rhs);
    const [newest] = outputs as [Tensor];
    const all = [...slopes, output.sub(newest)];
    return sumFloat32(
      ...update.base(lastSample),
      ...all.map((slope, i): [number, Tensor] => [update.step * (weights[i] as number), slope]),
    );
  }

  /** The common part of predictor and corrector: equation 3 and the linear system for the weights of the slopes. */
  private update(fromIndex: number, toIndex: number, order: number, outputs: readonly Tensor[]) {
    const { predictX0, solverType } = this.config;
    const [to, from] = [this.levelAt(toIndex), this.levelAt(fromIndex)];
    const h = f32(to.lambda - from.lambda);
    const [m0, ...older] = outputs as [Tensor, ...Tensor[]];
    const ratios = Array.from({ length: order - 1 }, (_, i) => f32(f32(this.levelAt(fromIndex - i - 1).lambda - from.lambda) / h));
    const slopes = ratios.map((ratio, i) => (older[i] as Tensor).sub(m0).div(ratio));

    const hh = predictX0 ? -h : h;
    const phi = f32(Math.expm1(hh));
    const b = solverType === "bh1" ? hh : phi;
    const { matrix, rhs } = weightSystem([...ratios, 1], hh, phi, b);
    const scale = predictX0 ? to.alpha : to.sigma;
    return {
      base: (sample: Tensor): [number, Tensor][] => [
        [sampleWeight(predictX0, to, from), sample],
        [-f32(scale * phi), m0],
      ],
      /** The common factor of the slopes' weights. */
      step: -f32(scale * b),
      slopes,
      matrix,
      rhs,
    };
  }

  private flowSigmas(given: readonly number[], mu: number | undefined): number[] {
    const { useDynamicShifting, timeShiftType, flowShift, shiftTerminal } = this.config;
    let sigmas = given.map((sigma) =>
      useDynamicShifting ? shiftFlowSigmaByMu(sigma, mu as number, timeShiftType) : shiftFlowSigma(sigma, flowShift),
    );
    if (shiftTerminal) sigmas = stretchToTerminal(sigmas, shiftTerminal);
    return sigmas.map((sigma, i) => (i === 0 && Math.abs(sigma - 1) < BELOW_ONE ? sigma - BELOW_ONE : sigma));
  }
}

function sampleWeight(predictX0: boolean, to: NoiseLevel, from: NoiseLevel): number {
  return predictX0 ? to.sigma / from.sigma : to.alpha / from.alpha;
}

/**
 * The linear system for the weights of the slopes (the paper's R(h) and b). Its rows are powers of the ratios. Computed in float32, as
 * torch does: in short steps, the rounding errors of phi are a large part of the result.
 */
function weightSystem(ratios: readonly number[], hh: number, phi: number, b: number): { matrix: number[][]; rhs: number[] } {
  const matrix: number[][] = [];
  const rhs: number[] = [];
  let phiK = f32(f32(phi / hh) - 1);
  let factorial = 1;
  let powers: readonly number[] = ratios.map(() => 1);
  for (let i = 1; i <= ratios.length; i++) {
    matrix.push([...powers]);
    powers = powers.map((power, k) => f32(power * (ratios[k] as number)));
    rhs.push(f32(f32(phiK * factorial) / b));
    factorial *= i + 1;
    phiK = f32(f32(phiK / hh) - f32(1 / factorial));
  }
  return { matrix, rhs };
}

/**
 * Solves a small linear system in float32 by elimination with partial pivoting; like MKL's sgesv it multiplies by the pivots' reciprocals.
 */
function solveFloat32(matrix: readonly (readonly number[])[], rhs: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, rhs[i] as number]);
  const size = rows.length;
  const at = (row: number, column: number) => rows[row]?.[column] as number;
  for (let pivot = 0; pivot < size; pivot++) {
    let largest = pivot;
    for (let row = pivot + 1; row < size; row++) if (Math.abs(at(row, pivot)) > Math.abs(at(largest, pivot))) largest = row;
    [rows[pivot], rows[largest]] = [rows[largest] as number[], rows[pivot] as number[]];
    for (let row = pivot + 1; row < size; row++) {
      const factor = f32(at(row, pivot) * f32(1 / at(pivot, pivot)));
      rows[row] = (rows[row] as number[]).map((value, column) => (column < pivot ? value : f32(value - f32(factor * at(pivot, column)))));
    }
  }
  const solution = new Array<number>(size).fill(0);
  for (let row = size - 1; row >= 0; row--) {
    let value = at(row, size);
    for (let column = row + 1; column < size; column++) value = f32(value - f32(at(row, column) * (solution[column] as number)));
    solution[row] = f32(value * f32(1 / at(row, row)));
  }
  return solution;
}
