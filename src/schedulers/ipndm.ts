import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, linspaceFloat32, sumFloat32 } from "./float32/arithmetic.js";
import { sinTorch } from "./float32/sin.js";
import { sqrtTorch } from "./float32/sqrt.js";
import { trainedBetas, trainTimesteps } from "./shared/config-fields.js";
import { atTimestep } from "./shared/noise-schedule.js";
import { Scheduler, type StepOutput, type TimestepOptions } from "./shared/scheduler.js";

const schema = v.strictObject({
  /** Timesteps of the forward process, 1 to 100,000; 1000 by default. */
  numTrainTimesteps: trainTimesteps(),
  /** The share of noise before every step and after the last, instead of the cosine schedule's. */
  trainedBetas: trainedBetas(),
});

/** Config of a {@link IPNDMScheduler}, with its defaults filled in. @interface */
export type IPNDMConfig = v.InferOutput<typeof schema>;

/** Keeps a division by alpha finite if the sample is pure noise. */
const SMALLEST_ALPHA = 1e-8;

/**
 * Improved pseudo linear multistep: combines up to four predictions without a warm-up, on a schedule of angles.
 * Liu et al. 2022 (arXiv:2202.09778), equations 9, 12 and 13, on the cosine schedule of Crowson's v-diffusion.
 * Matches diffusers' IPNDMScheduler.
 */
export class IPNDMScheduler extends Scheduler<IPNDMConfig> {
  static override readonly className = "IPNDMScheduler";
  static override readonly schema = schema;

  private betas = new Float32Array();
  private alphas = new Float32Array();
  private outputs: readonly Tensor[] = []; // newest first

  constructor(config: Partial<IPNDMConfig> = {}) {
    super(config);
    this.plan({ numInferenceSteps: this.config.numTrainTimesteps });
  }

  protected override plan({ numInferenceSteps = 0 }: TimestepOptions): void {
    const { trainedBetas } = this.config;
    const times = linspaceFloat32(1, 0, numInferenceSteps + 1);
    this.betas = trainedBetas ? Float32Array.from(trainedBetas) : times.map((time) => sinTorch(f32(time * f32(Math.PI)) / 2) ** 2);
    this.alphas = this.betas.map((beta) => sqrtTorch(f32(1 - f32(beta ** 2))));
    this.timesteps = Array.from(this.betas.slice(0, -1), (beta, i) => {
      return f32(f32(f32(Math.atan2(beta, this.alphas[i] as number)) / f32(Math.PI)) * 2);
    });
    this.outputs = [];
    this.restart();
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor): StepOutput {
    const index = this.currentIndex(timestep);
    const [alpha, beta] = [atTimestep(this.alphas, index), atTimestep(this.betas, index)];
    const [alphaNext, betaNext] = [atTimestep(this.alphas, index + 1), atTimestep(this.betas, index + 1)];
    this.outputs = [sumFloat32([beta, sample], [alpha, modelOutput]), ...this.outputs].slice(0, 4);
    const direction = this.combined();
    const original = sumFloat32([1, sample], [-beta, direction]).div(Math.max(alpha, SMALLEST_ALPHA));
    this.stepIndex = index + 1;
    return { prevSample: sumFloat32([alphaNext, original], [betaNext, direction]) };
  }

  override setBeginIndex(beginIndex: number): void {
    this.beginAt(beginIndex);
  }

  /** The Adams-Bashforth combination of the last outputs. */
  private combined(): Tensor {
    const [e0, e1, e2, e3] = this.outputs as [Tensor, Tensor?, Tensor?, Tensor?];
    if (e1 && e2 && e3) return sumFloat32([55, e0], [-59, e1], [37, e2], [-9, e3]).mul(f32(1 / 24));
    if (e1 && e2) return sumFloat32([23, e0], [-16, e1], [5, e2]).div(12);
    return e1 ? sumFloat32([3, e0], [-1, e1]).div(2) : e0;
  }
}
