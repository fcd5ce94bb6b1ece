import type { Tensor } from "../../tensor/tensor.js";
import { f32 } from "../float32/arithmetic.js";
import { betaFields, oneSpacing, sigmaSpacingFields, spacingFields } from "./config-fields.js";
import { expectDescent } from "./custom-timesteps.js";
import { alphasCumprodOf, type BetaConfig, type RareBetaSchedule, trainingSigmas } from "./noise-schedule.js";
import { SigmaScheduler } from "./sigma-scheduler.js";
import { logSigmasOf, namedSpacing, type SpacingFlags, sigmaRange, sigmasAt, timestepOfSigma } from "./sigma-spacing.js";
import { spacedTimesteps, type TimestepSpacing } from "./timestep-spacing.js";
import { initialSigma, scaleByDeviation } from "./variance-exploding.js";

/** The common fields of these samplers, without the prediction type. The options are those of `betaFields`. */
export const kDiffusionFields = <const Rare extends RareBetaSchedule = never>(betas?: Parameters<typeof betaFields<Rare>>[0]) => ({
  ...betaFields<Rare>(betas),
  ...sigmaSpacingFields(),
  ...spacingFields("linspace"),
});

/** What these samplers' configs have in common. */
export interface KDiffusionConfig extends BetaConfig, SpacingFlags {
  readonly timestepSpacing: TimestepSpacing;
  readonly stepsOffset: number;
}

/** A run's timesteps and their sigmas, without the zero at the end. */
export interface KDiffusionSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
}

/** How a run is laid out. `custom` timesteps replace the spaced ones. */
interface LayoutOptions {
  readonly steps: number;
  readonly custom?: readonly number[];
  /** Custom levels, which replace everything else; the last one is the end of the run. */
  readonly levels?: readonly number[] | undefined;
  /** Default: the config's. */
  readonly trainSteps?: number;
  /** Whether Karras sigmas use a `sigmaMin` and `sigmaMax` that the config keeps for another class, as the other spacings do. */
  readonly karrasFromConfig?: boolean;
}

/** Samplers of Katherine Crowson's k-diffusion over the sigmas of discrete training timesteps, down to zero noise. */
export abstract class KDiffusionScheduler<Config extends KDiffusionConfig = KDiffusionConfig> extends SigmaScheduler<Config> {
  protected readonly trainingSigmas = trainingSigmas(alphasCumprodOf(this.config));
  protected readonly logSigmas = logSigmasOf(this.trainingSigmas);

  constructor(config: Partial<Config> = {}) {
    super(config);
    oneSpacing(this.className, this.config);
  }

  override get initNoiseSigma(): number {
    return initialSigma(this.sigmas, this.config.timestepSpacing);
  }

  protected override scaled(sample: Tensor, timestep: number): Tensor {
    return scaleByDeviation(sample, this.sigmaAt(this.currentIndex(timestep)));
  }

  /** The timesteps and sigmas that the config asks for. */
  protected layout({
    steps,
    custom,
    levels,
    trainSteps = this.config.numTrainTimesteps,
    karrasFromConfig = true,
  }: LayoutOptions): KDiffusionSchedule {
    if (levels) {
      expectDescent(this.className, levels);
      const sigmas = levels.slice(0, -1);
      return { timesteps: sigmas.map((sigma) => timestepOfSigma(sigma, this.logSigmas)), sigmas };
    }
    const { timestepSpacing, stepsOffset: offset, useKarrasSigmas } = this.config;
    const timesteps = (custom ?? spacedTimesteps(timestepSpacing, { steps, trainSteps, offset })).map(f32);
    const sigmas = sigmasAt(timesteps, this.trainingSigmas);
    const spacing = namedSpacing(this.config);
    if (!spacing) return { timesteps, sigmas };
    const range = { max: sigmas[0] as number, min: sigmas.at(-1) as number };
    const spaced = spacing(useKarrasSigmas && !karrasFromConfig ? range : sigmaRange(this.config, range), steps);
    return { timesteps: spaced.map((sigma) => timestepOfSigma(sigma, this.logSigmas)), sigmas: spaced };
  }
}
