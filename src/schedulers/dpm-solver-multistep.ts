/**
 * DPM-Solver and DPM-Solver++ as multistep methods of order 1 to 3, and their SDE variants.
 * Lu et al. 2022 (arXiv:2206.00927), section 3 and appendix; Lu et al. 2022 (arXiv:2211.01095), Algorithm 2 and appendix A.
 * Matches diffusers' DPMSolverMultistepScheduler.
 */
import * as v from "valibot";
import { ArgumentError, ConfigError } from "../errors.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import {
  betaFields,
  flag,
  flowFields,
  numberFromMinusInfinity,
  oneOf,
  oneOfOrForeign,
  oneSpacing,
  optionalWord,
  sigmaSpacingFields,
  spacingFields,
  thresholdFields,
  whole,
} from "./config.js";
import { f32, sumFloat32 } from "./float32.js";
import { sqrtFloat32 } from "./float32-sqrt.js";
import { LogSnrScheduler } from "./log-snr-scheduler.js";
import type { NoiseLevel } from "./noise-level.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./scheduler.js";
import { luLambdas, namedSpacing, shiftFlowSigma, sigmaRange, sigmasAt, timestepOfSigma } from "./sigma-spacing.js";
import { linspace, roundHalfEven, solverTimesteps } from "./timestep-spacing.js";

const schema = v.strictObject({
  ...betaFields(),
  /** 1 to 3; 2 is recommended with guidance. */
  solverOrder: whole(2, 1),
  predictionType: oneOf(["epsilon", "sample", "v_prediction", "flow_prediction"], "epsilon"),
  ...thresholdFields(),
  /** The "++" types integrate the predicted picture, the others the predicted noise; the "sde" types add noise in every step. */
  algorithmType: oneOfOrForeign(["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"], ["deis"], "dpmsolver++"),
  /** Which second-order formula. */
  solverType: oneOfOrForeign(["midpoint", "heun"], ["logrho", "bh1", "bh2"], "midpoint"),
  /** Go down in order in the last steps of runs shorter than 15. */
  lowerOrderFinal: flag(true),
  /** Take the last step with order 1 whatever the length. */
  eulerAtFinal: flag(false),
  ...sigmaSpacingFields(),
  /** Space steps uniformly in log-SNR. */
  useLuLambdas: flag(false),
  ...flowFields(),
  /** Where the last step ends: at no noise, or at the cleanest training sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
  /** Leaves out the timesteps whose log-SNR is below: needed by cosine schedules, whose log-SNR has no bound. */
  lambdaMinClipped: numberFromMinusInfinity(),
  /** "learned" and "learned_range" models put a variance behind the first three channels; it is cut off. */
  varianceType: optionalWord(),
  ...spacingFields("linspace"),
  rescaleBetasZeroSnr: flag(false),
  useDynamicShifting: flag(false),
  timeShiftType: oneOf(["exponential"], "exponential"),
});

export type DPMSolverMultistepConfig = v.InferOutput<typeof schema>;

/** Runs at least this long keep their order in the last steps. */
const LONG_RUN = 15;

export class DPMSolverMultistepScheduler extends LogSnrScheduler<DPMSolverMultistepConfig> {
  static override readonly className = "DPMSolverMultistepScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps", "mu"] as const;
  private flowShift = this.config.flowShift;
  private planned = false;

  constructor(config: Partial<DPMSolverMultistepConfig> = {}) {
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

  protected override plan({ numInferenceSteps, timesteps: custom, mu }: TimestepOptions): void {
    const { config, trainingSigmas, logSigmas } = this;
    if (mu !== undefined) {
      if (!config.useDynamicShifting) throw new ArgumentError(`${this.className} takes mu only with use_dynamic_shifting`);
      this.flowShift = Math.exp(mu);
    }
    if (custom) this.checkCustomTimesteps(numInferenceSteps);
    const steps = numInferenceSteps ?? custom?.length ?? 0;
    let timesteps = custom?.map(Math.trunc) ?? this.spacedTimesteps(steps);
    let sigmas: number[];

    const spacing = namedSpacing(config);
    const roundUnlessCosine = config.betaSchedule === "squaredcos_cap_v2" ? (t: number) => t : roundHalfEven;
    const timestepOf = (sigma: number) => timestepOfSigma(sigma, logSigmas);
    if (config.useKarrasSigmas || (config.useLuLambdas && !spacing)) {
      sigmas = spacing?.(this.trainingRange, steps) ?? luLambdas(logSigmas.at(-1) as number, logSigmas[0] as number, steps).map(Math.exp);
      timesteps = sigmas.map(timestepOf).map(roundUnlessCosine);
    } else if (spacing) {
      sigmas = spacing(this.trainingRange, steps);
      timesteps = sigmas.map(timestepOf);
    } else if (config.useFlowSigmas) {
      sigmas = linspace(1, 1 / config.numTrainTimesteps, steps + 1)
        .map((alpha) => shiftFlowSigma(1 - alpha, this.flowShift))
        .reverse()
        .slice(0, -1);
      timesteps = sigmas.map((sigma) => sigma * config.numTrainTimesteps);
    } else {
      sigmas = sigmasAt(timesteps, trainingSigmas);
    }
    const last = config.finalSigmasType === "zero" ? 0 : (trainingSigmas[0] as number);
    this.start(timesteps.map(Math.trunc), [...sigmas, last].map(f32));
    if (config.algorithmType === "sde-dpmsolver" && this.timesteps.some((_, i) => this.orderAt(i, i + 1) > 2)) {
      throw new ArgumentError(
        `${this.className}: algorithm_type "sde-dpmsolver" has no third order; solver_order is ${config.solverOrder}`,
      );
    }
    this.planned = true;
  }

  override step(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions = {}): StepOutput {
    this.requirePlan(this.planned);
    const index = this.currentIndex(timestep);
    const converted = this.convert(modelOutput, sample, this.level(index));
    const order = this.orderAt(index, this.outputs.length + 1);
    this.remember(converted);
    const noise = this.config.algorithmType.startsWith("sde") ? this.noise(converted.shape, options) : undefined;
    this.stepIndex = index + 1;
    return { prevSample: this.update(order, index, sample, noise) };
  }

  /** The order of a step when `known` outputs are there for it: lower in the first steps, and in the last ones as the config says. */
  private orderAt(index: number, known: number): number {
    const { lowerOrderFinal, eulerAtFinal, finalSigmasType, solverOrder } = this.config;
    const [stepsLeft, short] = [this.timesteps.length - index, lowerOrderFinal && this.timesteps.length < LONG_RUN];
    if (stepsLeft === 1 && (eulerAtFinal || short || finalSigmasType === "zero")) return 1;
    return Math.min(solverOrder, known, stepsLeft === 2 && short ? 2 : 3);
  }

  /** The sample moved over one step by the solver of `order`, from the sample and the last `order` outputs. */
  private update(order: number, index: number, sample: Tensor, noise: Tensor | undefined): Tensor {
    const [to, from] = [this.level(index + 1), this.level(index)];
    const h = f32(to.lambda - from.lambda);
    const kind = this.config.algorithmType;
    const weights = solverWeights(kind, to, from, h);
    const [m0, m1, m2] = this.outputs as [Tensor, Tensor, Tensor];
    const terms: [number, Tensor][] = [
      [weights.sample, sample],
      [weights.d0, m0],
    ];
    if (noise) terms.push([weights.noise, noise]);
    if (order === 1) return sumFloat32(...terms);

    // Differences of the outputs over differences of lambda stand for the derivatives.
    const h0 = f32(from.lambda - this.level(index - 1).lambda);
    const r0 = f32(h0 / h);
    const slope = sumFloat32([1 / r0, m0], [-1 / r0, m1]);
    if (order === 2) return sumFloat32(...terms, [this.config.solverType === "midpoint" ? weights.d0 / 2 : weights.d1, slope]);

    const h1 = f32(this.level(index - 1).lambda - this.level(index - 2).lambda);
    const r1 = f32(h1 / h);
    const olderSlope = sumFloat32([1 / r1, m1], [-1 / r1, m2]);
    const change = slope.sub(olderSlope);
    return sumFloat32(...terms, [weights.d1, slope], [(weights.d1 * r0) / (r0 + r1), change], [weights.d2 / (r0 + r1), change]);
  }

  /** What the solver integrates: the picture for the "++" types, the noise for the others. */
  private convert(output: Tensor, sample: Tensor, level: NoiseLevel): Tensor {
    const { predictionType, varianceType } = this.config;
    const learned = predictionType === "epsilon" && (varianceType === "learned" || varianceType === "learned_range");
    const mean = learned ? firstChannels(output, 3) : output;
    return this.predictsOriginal ? this.toOriginal(mean, sample, level) : this.toNoise(mean, sample, level);
  }

  private get predictsOriginal(): boolean {
    return this.config.algorithmType.endsWith("++");
  }

  private get trainingRange() {
    const { trainingSigmas } = this;
    return sigmaRange(this.config, { min: trainingSigmas[0] as number, max: trainingSigmas.at(-1) as number });
  }

  private spacedTimesteps(steps: number): number[] {
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset, lambdaMinClipped } = this.config;
    // Lambdas ascend from the noisiest timestep.
    const lambdas = this.alphasCumprod.map((a) => f32(Math.log(sqrtFloat32(a))) - f32(Math.log(sqrtFloat32(f32(1 - a))))).reverse();
    const clipped = lambdas.findIndex((lambda) => lambda >= lambdaMinClipped);
    const last = trainSteps - (clipped < 0 ? lambdas.length : clipped);
    return solverTimesteps(timestepSpacing, { steps, trainSteps, offset, last });
  }

  private checkCustomTimesteps(numInferenceSteps: number | undefined): void {
    const { useKarrasSigmas, useExponentialSigmas, useBetaSigmas, useLuLambdas, useFlowSigmas } = this.config;
    if (numInferenceSteps !== undefined)
      throw new ArgumentError(`${this.className}: only one of numInferenceSteps and timesteps can be given`);
    if (useKarrasSigmas || useExponentialSigmas || useBetaSigmas || useLuLambdas || useFlowSigmas) {
      throw new ArgumentError(`${this.className}: custom timesteps cannot be used with karras, exponential, beta, Lu or flow sigmas`);
    }
  }
}

/**
 * The solver's exact integrals over one step of length `h` in lambda, for a constant, linear and quadratic output, and the noise added.
 * Rounded as torch rounds: for short steps the cancellation in them is most of what they are.
 */
function solverWeights(kind: DPMSolverMultistepConfig["algorithmType"], to: NoiseLevel, from: NoiseLevel, h: number) {
  const exp = (x: number) => f32(Math.exp(x));
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
        noise: to.sigma * sqrtFloat32(-change),
      };
    }
    case "sde-dpmsolver": {
      const change = f32(exp(h) - 1);
      return {
        sample: to.alpha / from.alpha,
        d0: -2 * to.sigma * change,
        d1: -2 * to.sigma * linear(change, h),
        d2: Number.NaN, // has no third order
        noise: to.sigma * sqrtFloat32(f32(exp(2 * h) - 1)),
      };
    }
  }
}

/** The first `count` channels of `[batch, channels, ...]`. */
function firstChannels(tensor: Tensor, count: number): Tensor {
  const [batch = 0, channels = 0, ...rest] = tensor.shape;
  const images = Array.from({ length: batch }, (_, i) => {
    const image = tensor.slice(i, i + 1).reshape([channels, ...rest]);
    return image.slice(0, Math.min(count, channels));
  });
  return concat(images).reshape([batch, Math.min(count, channels), ...rest]);
}
