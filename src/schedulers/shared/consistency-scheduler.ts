import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";
import { betaFields, flag, oneOf, real, spacingFields, thresholdFields, whole } from "./config-fields.js";
import { eitherStepsOrTimesteps, refuseTooManySteps, refuseUnordered } from "./custom-timesteps.js";
import { diffuse, velocity } from "./forward-process.js";
import { alphasCumprodOf, atTimestep, type BetaConfig } from "./noise-schedule.js";
import { Scheduler, type TimestepOptions } from "./scheduler.js";

/** The fields of both consistency samplers. */
export const consistencyFields = () => ({
  ...betaFields({ start: 0.00085, end: 0.012, schedule: "scaled_linear" }),
  /** The number of steps of the schedule that the model was distilled on. A run uses some of them. */
  originalInferenceSteps: whole(50, 1),
  /** Clip the predicted picture to -`clipSampleRange`..`clipSampleRange`; for models of pixels. */
  clipSample: flag(false),
  /** The largest absolute value that `clipSample` leaves; 1 by default. */
  clipSampleRange: real(1),
  /** After the last step, alphaCumprod is 1 instead of its value at timestep 0; true by default. */
  setAlphaToOne: flag(true),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
  ...thresholdFields(),
  ...spacingFields("leading"),
  /** Factor of the timesteps in the boundary conditions. Larger values keep the model closer to its consistency function. */
  timestepScaling: real(10),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
});

/** What both consistency samplers' configs have. */
export interface ConsistencyConfig extends BetaConfig {
  readonly originalInferenceSteps: number;
  readonly setAlphaToOne: boolean;
}

/**
 * Few-step sampling of distilled models: every step predicts the picture and adds noise up to the next timestep. A run uses evenly spaced
 * steps of the schedule that the model was distilled on.
 */
export abstract class ConsistencyScheduler<Config extends ConsistencyConfig = ConsistencyConfig> extends Scheduler<Config> {
  protected override readonly takes = ["timesteps", "originalInferenceSteps", "strength"] as const;
  protected readonly alphasCumprod = alphasCumprodOf(this.config);
  /** The steps of the run before `strength` shortens custom timesteps. The last of these steps adds no noise. */
  private steps: number | undefined;
  override timesteps: readonly number[] = Array.from(this.alphasCumprod.keys()).reverse();

  protected override plan(options: TimestepOptions): void {
    eitherStepsOrTimesteps(this.className, options);
    const { numInferenceSteps = 0, timesteps, originalInferenceSteps, strength = 1 } = options;
    const originalSteps = originalInferenceSteps ?? this.config.originalInferenceSteps;
    const distilled = this.distilledTimesteps(originalSteps, strength, originalInferenceSteps !== undefined);
    if (timesteps) this.takeCustom(timesteps, { distilled, originalSteps, strength });
    else this.spread(numInferenceSteps, { distilled, originalSteps, strength });
    this.restart();
  }

  /**
   * The timesteps of the distillation's schedule, cleanest first, up to `strength`. `asked` is true if the run sets the schedule's length.
   */
  protected distilledTimesteps(originalSteps: number, strength: number, _asked: boolean): number[] {
    const { numTrainTimesteps } = this.config;
    if (originalSteps > numTrainTimesteps) {
      throw new ArgumentError(
        `originalInferenceSteps is ${originalSteps}; the model was trained with only ${numTrainTimesteps} timesteps`,
        {
          argument: "originalInferenceSteps",
        },
      );
    }
    const stride = Math.floor(numTrainTimesteps / originalSteps);
    return Array.from({ length: Math.max(Math.trunc(originalSteps * strength), 0) }, (_, i) => (i + 1) * stride - 1);
  }

  /** Whether the step at `index` is the last of the run, before `strength` shortened it. */
  protected isLast(index: number): boolean {
    return index === this.planned(this.steps) - 1;
  }

  /** alphaCumprod at a timestep; the config sets its value before the first timestep. */
  protected alphaCumprodAt(timestep: number): number {
    if (timestep >= 0) return atTimestep(this.alphasCumprod, timestep);
    return this.config.setAlphaToOne ? 1 : atTimestep(this.alphasCumprod, 0);
  }

  override setBeginIndex(beginIndex: number): void {
    this.beginAt(beginIndex);
  }

  protected override noised(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return diffuse(this.alphasCumprod, original, noise, timesteps);
  }

  override getVelocity(sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    return velocity(this.alphasCumprod, sample, noise, timesteps);
  }

  private takeCustom(timesteps: readonly number[], { distilled, originalSteps, strength }: Distillation): void {
    const { className } = this;
    const { numTrainTimesteps } = this.config;
    refuseUnordered(className, timesteps, numTrainTimesteps);
    const foreign = timesteps.slice(1).filter((timestep) => !distilled.includes(timestep));
    const unexpected = "the result may be wrong";
    if (strength === 1 && timesteps[0] !== numTrainTimesteps - 1) {
      warn(`${className}: the first custom timestep is ${timesteps[0]}, not ${numTrainTimesteps - 1}; ${unexpected}`);
    }
    if (foreign.length > 0) {
      warn(`${className}: timesteps ${foreign.join(", ")} are not on the schedule the model was distilled on; ${unexpected}`);
    }
    if (timesteps.length > originalSteps) {
      warn(`${className}: ${timesteps.length} custom timesteps are more than the ${originalSteps} of the distillation; ${unexpected}`);
    }
    this.steps = timesteps.length;
    const kept = Math.min(Math.trunc(timesteps.length * strength), timesteps.length);
    this.timesteps = timesteps.slice(Math.max(timesteps.length - kept, 0)).map(Math.trunc);
  }

  private spread(steps: number, { distilled, originalSteps, strength }: Distillation): void {
    refuseTooManySteps(steps, this.config.numTrainTimesteps);
    if (distilled.length < steps || steps > originalSteps) {
      throw new ArgumentError(
        `${this.className}: ${steps} steps are more than the ${originalSteps} original steps allow at strength ${strength}`,
        {
          argument: "numInferenceSteps",
          hint: (name) =>
            `lower ${name("numInferenceSteps")}, or raise ${name("strength")} or ${name("schedulerConfig.originalInferenceSteps")}`,
        },
      );
    }
    this.steps = steps;
    const stride = distilled.length / steps;
    this.timesteps = Array.from({ length: steps }, (_, i) => distilled.at(-1 - Math.floor(i * stride)) as number);
  }
}

/** The schedule that a run takes its steps from. */
interface Distillation {
  readonly distilled: readonly number[];
  readonly originalSteps: number;
  readonly strength: number;
}
