import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { oneOf } from "./shared/config-fields.js";
import { eitherStepsOrSigmas } from "./shared/custom-timesteps.js";
import { KDiffusionScheduler, kDiffusionFields } from "./shared/k-diffusion-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { denoised } from "./shared/variance-exploding.js";

const schema = v.strictObject({
  ...kDiffusionFields(),
  /** What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity); "epsilon" by default. */
  predictionType: oneOf(["epsilon", "sample", "v_prediction"], "epsilon"),
});

/** Config of a {@link LMSDiscreteScheduler}, with its defaults filled in. @interface */
export type LMSDiscreteConfig = v.InferOutput<typeof schema>;

/**
 * Linear multistep: integrates over each step the polynomial through the last derivatives (Adams-Bashforth with uneven steps).
 * k-diffusion's sample_lms by Katherine Crowson; the derivatives are those of Karras et al. 2022 (arXiv:2206.00364), equation 1.
 * Matches diffusers' LMSDiscreteScheduler.
 */
export class LMSDiscreteScheduler extends KDiffusionScheduler<LMSDiscreteConfig> {
  static override readonly className = "LMSDiscreteScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["sigmas"] as const;
  private derivatives: readonly Tensor[] = []; // newest first

  constructor(config: Partial<LMSDiscreteConfig> = {}) {
    super(config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  protected override plan(options: TimestepOptions): void {
    const { numInferenceSteps: steps = 0, sigmas: levels } = options;
    eitherStepsOrSigmas(this.className, options);
    const { timesteps, sigmas } = this.layout({ steps, levels, karrasFromConfig: false });
    this.start(timesteps.map(f32), [...sigmas, levels?.at(-1) ?? 0].map(f32));
    this.derivatives = [];
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, { order = 4 }: StepOptions): StepOutput {
    const index = this.currentIndex(timestep);
    const sigma = this.sigmaAt(index);
    const next = this.sigmaAt(index + 1);
    const original = denoised(this.config.predictionType, modelOutput, sample, sigma);
    this.derivatives = [sample.sub(original).div(sigma), ...this.derivatives].slice(0, order);
    // A run that starts in the middle has fewer derivatives than points. They keep the weights of the full polynomial, as in diffusers.
    const points = Array.from({ length: Math.min(index + 1, order) }, (_, i) => this.sigmaAt(index - i));
    const terms = this.derivatives.slice(0, points.length).map((derivative, i): [number, Tensor] => {
      return [lagrangeIntegral(points, i, sigma, next), derivative];
    });
    this.stepIndex = index + 1;
    return { prevSample: sample.add(sumFloat32(...terms)), predOriginalSample: original };
  }
}

/** The integral from `from` to `to` of the Lagrange polynomial that is 1 at `points[own]` and 0 at the others. */
function lagrangeIntegral(points: readonly number[], own: number, from: number, to: number): number {
  // Coefficients of powers of x = tau - from, constant first: near the points nothing cancels.
  let coefficients = [1];
  const others = points.filter((_, k) => k !== own);
  for (const point of others) {
    const scale = (points[own] as number) - point;
    const root = point - from;
    coefficients = [...coefficients, 0].map((c, power) => ((coefficients[power - 1] ?? 0) - c * root) / scale);
  }
  return coefficients.reduce((sum, c, power) => sum + (c * (to - from) ** (power + 1)) / (power + 1), 0);
}
