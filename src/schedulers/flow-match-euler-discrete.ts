import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { flag } from "./shared/config-fields.js";
import { FlowMatchScheduler, flowMatchFields } from "./shared/flow-match-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";

const schema = v.strictObject({
  ...flowMatchFields(),
  /** Go to the predicted picture and add fresh noise, in every step. */
  stochasticSampling: flag(false),
});

/** Config of a {@link FlowMatchEulerDiscreteScheduler}, with its defaults filled in. @interface */
export type FlowMatchEulerDiscreteConfig = v.InferOutput<typeof schema>;

/** A token whose sigma is closer than this to a step's sigma is at that step. */
const SAME_SIGMA = 1e-6;

/**
 * Euler's method for rectified flow, from noise to picture or, with inverted sigmas, back; optionally with fresh noise in every step. Esser
 * et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis" (arXiv:2403.03206), section 2 and equation 23.
 * Matches diffusers' FlowMatchEulerDiscreteScheduler.
 */
export class FlowMatchEulerDiscreteScheduler extends FlowMatchScheduler<FlowMatchEulerDiscreteConfig> {
  static override readonly className = "FlowMatchEulerDiscreteScheduler";
  static override readonly schema = schema;

  protected override plan(options: TimestepOptions): void {
    super.plan(options);
    if (options.timesteps && !options.sigmas) {
      warn(
        `${this.className}: custom timesteps are used as given, but the sigmas made from them are shifted; pass sigmas as well so that both agree`,
      );
    }
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    this.stepIndex = index + 1;
    if (options.perTokenTimesteps) return { prevSample: this.stepByToken(modelOutput, sample, options.perTokenTimesteps, options) };
    const sigma = this.sigmaAt(index);
    const prevSample = this.move(modelOutput, sample, sigma, this.sigmaAt(index + 1), options);
    // The straight way to the last sigma. diffusers does not return it; previews show it.
    const predOriginalSample = sumFloat32([1, sample], [f32((this.sigmas.at(-1) ?? 0) - sigma), modelOutput]);
    return { prevSample, predOriginalSample };
  }

  private move(output: Tensor, sample: Tensor, sigma: number, next: number, options: StepOptions): Tensor {
    if (!this.config.stochasticSampling) return sumFloat32([1, sample], [f32(next - sigma), output]);
    const original = sumFloat32([1, sample], [-sigma, output]);
    return sumFloat32([f32(1 - next), original], [next, this.noise(sample.shape, options)]);
  }

  /** Every token of `[batch, tokens, channels]` goes from its own sigma to the next lower one of the schedule. */
  private stepByToken(output: Tensor, sample: Tensor, timesteps: Tensor, options: StepOptions): Tensor {
    const [batch, tokens, channels = 0] = sample.shape;
    if (sample.shape.length !== 3 || timesteps.size !== (batch ?? 0) * (tokens ?? 0)) {
      throw new ArgumentError(
        `${this.className}: perTokenTimesteps of shape [${timesteps.shape}] do not go with a sample of shape [${sample.shape}]`,
        { hint: "give [batch, tokens] timesteps for a [batch, tokens, channels] sample" },
      );
    }
    const noise = this.config.stochasticSampling ? this.noise(sample.shape, options) : undefined;
    const result = new Float32Array(sample.size);
    for (const [token, value] of timesteps.data.entries()) {
      const sigma = f32(value / this.config.numTrainTimesteps);
      const limit = f32(sigma - f32(SAME_SIGMA));
      const next = Math.max(0, ...this.sigmas.filter((level) => level < limit));
      for (let i = token * channels; i < (token + 1) * channels; i++) {
        const [x, out] = [sample.data[i] as number, output.data[i] as number];
        // The sign is that of diffusers: its pipelines with per-token timesteps negate the model's output.
        result[i] = noise
          ? f32(f32(1 - next) * f32(x - f32(sigma * out))) + f32(next * (noise.data[i] as number))
          : x + f32(f32(sigma - next) * out);
      }
    }
    return Tensor.from(result, sample.shape);
  }
}
