import * as v from "valibot";
import { ConfigError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { expTorch } from "./float32/exp-log.js";
import { sqrtTorch } from "./float32/sqrt.js";
import {
  betaFields,
  flag,
  flowFields,
  numberFromMinusInfinity,
  oneOf,
  oneSpacing,
  optionalWord,
  sigmaSpacingFields,
  spacingFields,
  thresholdFields,
  whole,
} from "./shared/config-fields.js";
import { diffuse } from "./shared/forward-process.js";
import { LogSnrScheduler } from "./shared/log-snr-scheduler.js";
import type { NoiseLevel } from "./shared/noise-level.js";
import { thresholdedNoise, thresholdedOriginal, withoutVariance } from "./shared/prediction.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { solverSchedule, timestepsAbove } from "./shared/solver-schedule.js";
import { solverTimesteps } from "./shared/timestep-spacing.js";

/** How much noise a step at a timestep adds: 0 follows the ODE, 1 the reverse SDE. */
export type TauFunction = (timestep: number) => number;

const schema = v.strictObject({
  ...betaFields(),
  /** 1 to 4. */
  predictorOrder: whole(2, 1, 4),
  /** 1 to 4. */
  correctorOrder: whole(2, 1, 4),
  /**
   * What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity), "flow_prediction" (the flow);
   * "epsilon" by default.
   */
  predictionType: oneOf(["epsilon", "sample", "v_prediction", "flow_prediction"], "epsilon"),
  /** A `TauFunction`; null adds noise (tau 1) from timestep 200 to 800. Config files have null. */
  tauFunc: v.optional(v.nullable(v.custom<TauFunction>((value) => typeof value === "function", "a function of the timestep")), null),
  ...thresholdFields(),
  /** Integrate the predicted picture, or the predicted noise. */
  algorithmType: oneOf(["data_prediction", "noise_prediction"], "data_prediction"),
  /** Lower the order in the last steps. */
  lowerOrderFinal: flag(true),
  ...sigmaSpacingFields(),
  ...flowFields(),
  /** Timesteps with a smaller log-SNR are left out. Cosine schedules need it, because their log-SNR has no lower bound. */
  lambdaMinClipped: numberFromMinusInfinity(),
  /** Models with "learned" and "learned_range" give a variance after the first three channels; it is ignored. */
  varianceType: optionalWord(),
  ...spacingFields("linspace"),
});

/** Config of a {@link SASolverScheduler}, with its defaults filled in. @interface */
export type SASolverConfig = v.InferOutput<typeof schema>;

const defaultTau: TauFunction = (timestep) => (timestep >= 200 && timestep <= 800 ? 1 : 0);

/** The step that the next call corrects: its sample, noise and tau at the start, and the order of its correction. */
interface OpenStep {
  readonly sample: Tensor;
  readonly noise: Tensor;
  readonly tau: number;
  readonly correctorOrder: number;
}

/**
 * SA-Solver: stochastic Adams-Bashforth predictor and Adams-Moulton corrector, with the amount of noise given by tau. Xue et al. 2023,
 * "SA-Solver: Stochastic Adams Solver for Fast Sampling of Diffusion Models" (arXiv:2309.05019), Algorithm 1, equations 14 and 17. Matches
 * diffusers' SASolverScheduler.
 */
export class SASolverScheduler extends LogSnrScheduler<SASolverConfig> {
  static override readonly className = "SASolverScheduler";
  static override readonly schema = schema;

  private readonly tau = this.config.tauFunc ?? defaultTau;
  private open: OpenStep | undefined;

  constructor(config: Partial<SASolverConfig> = {}) {
    super(config);
    const { algorithmType, predictionType, thresholding } = this.config;
    oneSpacing(this.className, this.config);
    if (!this.predictsOriginal && (thresholding || predictionType === "flow_prediction")) {
      const option = thresholding ? "thresholding" : 'prediction_type "flow_prediction"';
      throw new ConfigError(`${this.className}: ${option} does not go with algorithm_type "${algorithmType}"`);
    }
  }

  protected override plan({ numInferenceSteps: steps = 0 }: TimestepOptions): void {
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset, lambdaMinClipped } = this.config;
    const last = timestepsAbove(lambdaMinClipped, this.training, trainSteps);
    const timesteps = solverTimesteps(timestepSpacing, { steps, trainSteps, offset, last });
    const schedule = solverSchedule(this.config, this.training, { timesteps, steps, flowShift: this.flowShift });
    const end = schedule.interpolated ? this.training.range.min : (schedule.sigmas.at(-1) as number);
    this.start(schedule.timesteps.map(Math.trunc), [...schedule.sigmas, end].map(f32));
    this.open = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const earlier = this.planned(this.outputs);
    const { predictorOrder, correctorOrder, lowerOrderFinal } = this.config;
    const index = this.currentIndex(timestep);
    const converted = this.convert(modelOutput, sample, this.levelAt(index));
    const corrected = this.open && index > 0 ? this.correct(index, this.open, [converted, ...earlier]) : sample;
    const known = earlier.length;
    this.outputs = [converted, ...earlier].slice(0, Math.max(predictorOrder, correctorOrder - 1));

    const stepsLeft = lowerOrderFinal ? this.timesteps.length - index : Number.POSITIVE_INFINITY;
    const tau = this.tau(timestep);
    this.open = {
      sample: corrected,
      noise: this.noise(modelOutput.shape, options),
      tau,
      correctorOrder: Math.min(correctorOrder, stepsLeft + 1, known + 2),
    };
    const order = Math.min(predictorOrder, stepsLeft, known + 1);
    this.stepIndex = index + 1;
    return { prevSample: this.predict(index, order, this.open, this.outputs) };
  }

  /** `original` with as much of `noise` as there is at `timesteps`: one for each row of the batch, or one for all. */
  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return diffuse(this.training.alphasCumprod, original, noise, timesteps);
  }

  /** Equation 14: the sample after the step at `index`, by a polynomial through the last `order` outputs. */
  private predict(index: number, order: number, step: OpenStep, outputs: readonly Tensor[]): Tensor {
    const [from, to] = [this.levelAt(index), this.levelAt(index + 1)];
    const weights = this.weights(order, index, from, to, step.tau);
    if (this.predictsOriginal && order === 2) {
      // The paper's code uses the midpoint rule's weights here, not the exact ones.
      const { tail, h } = midpointTail(from, to, step.tau);
      const change = f32(f32(tail(f32(f32(h ** 2) / 2), (1 + step.tau ** 2) ** 2)) / f32(from.lambda - this.levelAt(index - 1).lambda));
      shift(weights, change);
    }
    return this.advance(from, to, step, weights, outputs);
  }

  /** Equation 17: the sample before the step at `index`, by a polynomial that also goes through the model's output there. */
  private correct(index: number, step: OpenStep, outputs: readonly Tensor[]): Tensor {
    const [from, to] = [this.levelAt(index - 1), this.levelAt(index)];
    const weights = this.weights(step.correctorOrder, index, from, to, step.tau);
    if (this.predictsOriginal && step.correctorOrder === 2) {
      const { tail, h } = midpointTail(from, to, step.tau);
      shift(weights, tail(f32(h / 2), f32(f32((1 + step.tau ** 2) ** 2) * h)));
    }
    return this.advance(from, to, step, weights, outputs);
  }

  /** The sample moved from one level to another with weighted outputs, newest first, and the step's noise. */
  private advance(
    from: NoiseLevel,
    to: NoiseLevel,
    { sample, noise, tau }: OpenStep,
    weights: number[],
    outputs: readonly Tensor[],
  ): Tensor {
    const h = f32(to.lambda - from.lambda);
    const scale = this.predictsOriginal
      ? f32(f32((1 + tau ** 2) * to.sigma) * exp(f32(-(tau ** 2)) * to.lambda))
      : f32(-(1 + tau ** 2) * to.alpha);
    const gradient = sumFloat32(...weights.map((weight, i): [number, Tensor] => [f32(scale * weight), outputs[i] as Tensor]));
    const [kept, added] = this.predictsOriginal
      ? [exp(f32(-(tau ** 2)) * h) * f32(to.sigma / from.sigma), to.sigma * sqrtTorch(f32(1 - exp(f32(-2 * tau ** 2) * h)))]
      : [to.alpha / from.alpha, f32(tau * to.sigma) * sqrtTorch(f32(exp(2 * h) - 1))];
    return sumFloat32([kept, sample], [1, gradient], [added, noise]);
  }

  /** The integrals over the step of the Lagrange polynomials, in lambda, through the last `order` levels up to `index`. */
  private weights(order: number, index: number, from: NoiseLevel, to: NoiseLevel, tau: number): number[] {
    const lambdas = Array.from({ length: order }, (_, i) => this.levelAt(index - i).lambda);
    const moment = this.predictsOriginal ? growingMoment : decayingMoment;
    const moments = lambdas.map((_, power) => moment(power, from.lambda, to.lambda, tau));
    return lambdas.map((_, i) =>
      lagrangeCoefficients(lambdas, i).reduce((sum, coefficient, j) => f32(sum + f32(coefficient * (moments[order - 1 - j] as number))), 0),
    );
  }

  /** What the solver integrates. */
  private convert(output: Tensor, sample: Tensor, level: NoiseLevel): Tensor {
    const mean = withoutVariance(output, this.config);
    return (this.predictsOriginal ? thresholdedOriginal : thresholdedNoise)(this.config, mean, sample, level);
  }

  private get predictsOriginal(): boolean {
    return this.config.algorithmType === "data_prediction";
  }
}

// Everything is rounded as torch rounds: the terms are much larger than their sums.
const exp = expTorch;

/** Moves weight from the older of two outputs to the newer. */
function shift(weights: number[], change: number): void {
  weights[0] = f32((weights[0] as number) + change);
  weights[1] = f32((weights[1] as number) - change);
}

/** `exp(s * lambda) * (start - (s * h - 1 + exp(-s * h)) / divisor)` with s = 1 + tau^2. */
function midpointTail(from: NoiseLevel, to: NoiseLevel, tau: number) {
  const scale = 1 + tau ** 2;
  const h = f32(to.lambda - from.lambda);
  const rest = f32(f32(f32(h * f32(scale)) - 1) + exp(f32(scale) * -h));
  return { h, tail: (start: number, divisor: number) => f32(exp(f32(scale) * to.lambda) * f32(start - f32(rest / f32(divisor)))) };
}

/** The integral of `x^power * exp((1 + tau^2) x)`, up to scale, from `start` to `end`. */
function growingMoment(power: number, start: number, end: number, tau: number): number {
  const scale = 1 + tau ** 2;
  const [from, to] = [f32(f32(scale) * start), f32(f32(scale) * end)];
  const difference = f32(polynomial(power, to, -1) - f32(polynomial(power, from, -1) * exp(-f32(to - from))));
  return f32(f32(exp(to) * difference) / f32(scale ** (power + 1)));
}

/** The integral of `x^power * exp(-x)` from `start` to `end`. */
function decayingMoment(power: number, start: number, end: number): number {
  const difference = f32(f32(polynomial(power, start, 1) * exp(end - start)) - polynomial(power, end, 1));
  return f32(exp(-end) * difference);
}

/** The result of repeated integration by parts: `x^n + sign n x^(n-1) + n (n-1) x^(n-2) + ...`. */
function polynomial(power: number, x: number, sign: 1 | -1): number {
  const square = f32(x ** 2);
  switch (power) {
    case 0:
      return 1;
    case 1:
      return f32(x + sign);
    case 2:
      return f32(f32(square + sign * f32(2 * x)) + 2);
    default:
      return f32(f32(f32(f32(square * x) + sign * f32(3 * square)) + f32(6 * x)) + sign * 6);
  }
}

/** The coefficients, highest power first, of the polynomial that is 1 at `points[i]` and 0 at the other points. */
function lagrangeCoefficients(points: readonly number[], i: number): number[] {
  const others = points.filter((_, k) => k !== i);
  const denominator = others.reduce((product, other) => f32(product * f32((points[i] as number) - other)), 1);
  const [a, b, c] = others as [number, number, number];
  switch (others.length) {
    case 0:
      return [1];
    case 1:
      return [f32(1 / denominator), f32(-a / denominator)];
    case 2:
      return [1, f32(-a - b), f32(a * b)].map((coefficient) => f32(coefficient / denominator));
    default: {
      const pairs = f32(f32(f32(a * b) + f32(a * c)) + f32(b * c));
      return [1, f32(f32(-a - b) - c), pairs, f32(f32(-a * b) * c)].map((coefficient) => f32(coefficient / denominator));
    }
  }
}
