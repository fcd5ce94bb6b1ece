import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { Generator } from "../tensor/random.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { expTorch, logTorch } from "./float32/exp-log.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { BrownianTree } from "./shared/brownian-tree.js";
import { betaFields, oneOf, oneSpacing, sigmaSpacingFields, spacingFields } from "./shared/config-fields.js";
import { eitherStepsOrSigmas, expectDescent } from "./shared/custom-timesteps.js";
import { alphasCumprodOf, trainingSigmas } from "./shared/noise-schedule.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { SigmaScheduler } from "./shared/sigma-scheduler.js";
import { logSigmasOf, namedSpacing, sigmaRange, sigmasAt, timestepOfSigma } from "./shared/sigma-spacing.js";
import { spacedTimesteps } from "./shared/timestep-spacing.js";
import { ancestralSigmas, denoised, initialSigma, scaleByDeviation } from "./shared/variance-exploding.js";

const seedOf = () => v.pipe(v.number(), v.integer("whole numbers"), v.minValue(0, "a seed of at least 0"));

const schema = v.strictObject({
  ...betaFields({ start: 0.00085, end: 0.012 }),
  /** What the model predicts: "epsilon" (the noise), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "v_prediction"], "epsilon"),
  ...sigmaSpacingFields(),
  /** The seed of the noise: one for the batch, or one for each image. Null takes it from the generator of `step`, or at random. */
  noiseSamplerSeed: v.optional(v.nullable(v.union([seedOf(), v.array(seedOf())])), null),
  ...spacingFields("linspace"),
});

/** Config of a {@link DPMSolverSDEScheduler}, with its defaults filled in. @interface */
export type DPMSolverSDEConfig = v.InferOutput<typeof schema>;

/**
 * DPM-Solver++ for the SDE, singlestep of order 2: every step but the last evaluates the model again at the midpoint in log sigma.
 * Lu et al. 2022 (arXiv:2211.01095), section 4.3, as k-diffusion's sample_dpmpp_sde has it, with noise from a Brownian tree.
 * Matches diffusers' DPMSolverSDEScheduler.
 */
export class DPMSolverSDEScheduler extends SigmaScheduler<DPMSolverSDEConfig> {
  static override readonly className = "DPMSolverSDEScheduler";
  static override readonly schema = schema;

  override readonly order = 2;
  protected override readonly takes = ["sigmas"] as const;
  private readonly trainingSigmas = trainingSigmas(alphasCumprodOf(this.config));
  private midpoint: { readonly sample: Tensor; readonly sigma: number } | undefined; // where the current step began, and its middle
  private trees: readonly BrownianTree[] | undefined; // one for the batch, or one for each image

  constructor(config: Partial<DPMSolverSDEConfig> = {}) {
    super(config);
    oneSpacing(this.className, this.config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  override get initNoiseSigma(): number {
    return initialSigma(this.sigmas, this.config.timestepSpacing);
  }

  override get endsAtZero(): boolean {
    return true;
  }

  protected override plan(options: TimestepOptions): void {
    const { numInferenceSteps: steps = 0, sigmas: custom } = options;
    eitherStepsOrSigmas(this.className, options);
    if (custom) expectDescent(this.className, custom, 0);
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset, useKarrasSigmas } = this.config;
    const logSigmas = logSigmasOf(this.trainingSigmas);
    const timestepOf = (sigma: number) => timestepOfSigma(sigma, logSigmas);
    let timesteps = spacedTimesteps(timestepSpacing, { steps, trainSteps, offset });
    let sigmas = sigmasAt(timesteps, this.trainingSigmas);
    const spacing = namedSpacing(this.config);
    if (spacing) {
      const range = { max: sigmas[0] as number, min: sigmas.at(-1) as number };
      // Only Karras sigmas ignore a sigma_min and sigma_max that the config keeps for another class.
      sigmas = spacing(useKarrasSigmas ? range : sigmaRange(this.config, range), steps);
      timesteps = sigmas.map(timestepOf);
    }
    if (custom) {
      sigmas = custom.slice(0, -1);
      timesteps = sigmas.map(timestepOf);
    }
    const logs = sigmas.map((sigma) => -Math.log(sigma));
    const middles = logs.slice(1).map((log, i) => timestepOf(Math.exp(-((logs[i] as number) + (log - (logs[i] as number)) * 0.5))));
    this.start(
      timesteps.flatMap((timestep, i) => (i === 0 ? [timestep] : [middles[i - 1] as number, timestep])),
      [...sigmas.flatMap((sigma, i) => (i === 0 ? [sigma] : [sigma, sigma])), 0].map(f32),
    );
    this.midpoint = undefined;
    this.trees = undefined;
  }

  protected override scaled(sample: Tensor, timestep: number): Tensor {
    const index = this.currentIndex(timestep);
    return scaleByDeviation(sample, this.midpoint?.sigma ?? this.sigmaAt(index));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const from = this.midpoint ? index - 1 : index;
    const [sigma, next] = [this.sigmaAt(from), this.sigmaAt(from + 1)];
    const [time, nextTime] = [timeOf(sigma), timeOf(next)];
    const middle = sigmaOf(f32(time + f32(f32(nextTime - time) * 0.5)));
    const original = denoised(this.config.predictionType, modelOutput, sample, this.midpoint ? middle : sigma);
    this.stepIndex = index + 1;
    if (next === 0) {
      const derivative = sample.sub(original).div(sigma);
      return { prevSample: sumFloat32([1, sample], [-sigma, derivative]), predOriginalSample: original };
    }

    const start = this.midpoint?.sample ?? sample;
    const [fromSigma, to] = [sigmaOf(time), this.midpoint ? sigmaOf(nextTime) : middle];
    const { up, down } = ancestralSigmas(fromSigma, to, { most: to });
    const downTime = timeOf(down);
    const drift = sumFloat32([sigmaOf(downTime) / fromSigma, start], [-f32(Math.expm1(f32(time - downTime))), original]);
    const noise = this.brownian(sample, fromSigma, to, options).mul(options.sNoise ?? 1);
    this.midpoint = this.midpoint ? undefined : { sample, sigma: middle };
    return { prevSample: sumFloat32([1, drift], [up, noise]), predOriginalSample: original };
  }

  /** Noise of unit variance: the increment of the Brownian motion between two sigmas, divided by the root of their distance. */
  private brownian(sample: Tensor, from: number, to: number, { generator }: StepOptions): Tensor {
    this.trees ??= this.plant(sample, generator);
    const [low, high] = from < to ? [from, to] : [to, from];
    const increments = this.trees.map((tree) => tree.increment(low, high));
    const whole = (increments.length === 1 ? (increments[0] as Tensor) : concat(increments)).reshape(sample.shape);
    return whole.mul(from < to ? 1 : -1).div(sqrtTorch(f32(high - low)));
  }

  private plant(sample: Tensor, generator: StepOptions["generator"]): BrownianTree[] {
    const { noiseSamplerSeed } = this.config;
    const [batch = 1, ...rest] = sample.shape;
    const [low, high] = [Math.min(...this.sigmas.filter((sigma) => sigma > 0)), Math.max(...this.sigmas)];
    const tree = (shape: readonly number[], seed: bigint) => new BrownianTree(low, high, shape, seed);
    if (typeof noiseSamplerSeed === "number") return [tree(sample.shape, BigInt(noiseSamplerSeed))];
    const seeds = noiseSamplerSeed?.map(BigInt) ?? [generator ?? new Generator()].flat().map(drawSeed);
    if (seeds.length === 1 && !noiseSamplerSeed) return [tree(sample.shape, seeds[0] as bigint)];
    if (seeds.length !== batch) {
      throw new ArgumentError(`${this.className}: ${seeds.length} seeds or generators were given for a batch of ${batch}`, {
        hint: "give one for all images, or one for each image",
      });
    }
    return seeds.map((seed) => tree(rest, seed));
  }
}

/** A seed below 2^63. diffusers draws it from torch's global generator if no seed is given. */
function drawSeed(generator: Generator): bigint {
  return generator.uint64() % (2n ** 63n - 1n);
}

// The solver's time is minus log sigma.
const timeOf = (sigma: number) => -logTorch(sigma);
const sigmaOf = (time: number) => expTorch(-time);
