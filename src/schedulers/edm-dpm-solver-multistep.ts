import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, linspaceFloat32 } from "./float32/arithmetic.js";
import { logTorch } from "./float32/exp-log.js";
import { flag, oneOfOrForeign, thresholdFields, whole } from "./shared/config-fields.js";
import { multistepUpdate } from "./shared/dpm-solver.js";
import { algorithmTypeField } from "./shared/dpm-solver-config.js";
import { EDMScheduler, edmFields } from "./shared/edm-scheduler.js";
import { multistepOrder } from "./shared/multistep-order.js";
import type { NoiseLevel, StepLevels } from "./shared/noise-level.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { dynamicThreshold } from "./shared/thresholding.js";

const schema = v.strictObject({
  ...edmFields(),
  /** 1 to 3; 2 is recommended with guidance. */
  solverOrder: whole(2, 1),
  ...thresholdFields(),
  /** Which solver: "dpmsolver++" (default) and the others that the class has. */
  algorithmType: algorithmTypeField(["dpmsolver++", "sde-dpmsolver++"]),
  /** Which second-order formula. */
  solverType: oneOfOrForeign(["midpoint", "heun"], ["logrho", "bh1", "bh2"], "midpoint"),
  /** Lower the order in the last steps of runs shorter than 15 steps. */
  lowerOrderFinal: flag(true),
  /** Take the last step with order 1, however long the run is. */
  eulerAtFinal: flag(false),
});

/** Config of a {@link EDMDPMSolverMultistepScheduler}, with its defaults filled in. @interface */
export type EDMDPMSolverMultistepConfig = v.InferOutput<typeof schema>;

/**
 * DPM-Solver++ multistep of order 1 to 3, and its SDE variant, for EDM models.
 * Lu et al. 2022 (arXiv:2211.01095), Algorithm 2, with the preconditioning of Karras et al. 2022 (arXiv:2206.00364).
 * Matches diffusers' EDMDPMSolverMultistepScheduler.
 */
export class EDMDPMSolverMultistepScheduler extends EDMScheduler<EDMDPMSolverMultistepConfig> {
  static override readonly className = "EDMDPMSolverMultistepScheduler";
  static override readonly schema = schema;

  private outputs: readonly Tensor[] | undefined; // predicted pictures, newest first

  constructor(config: Partial<EDMDPMSolverMultistepConfig> = {}) {
    super(config);
    this.begin(this.spaced(this.config.numTrainTimesteps), 0);
  }

  protected override plan({ numInferenceSteps = 0 }: TimestepOptions): void {
    const { algorithmType, finalSigmasType, sigmaMin } = this.config;
    this.begin(this.spaced(numInferenceSteps), finalSigmasType === "zero" ? 0 : sigmaMin);
    this.outputs = [];
    if (algorithmType === "sde-dpmsolver++" && this.timesteps.some((_, i) => this.orderAt(i, i + 1) > 2)) {
      throw new ArgumentError(`${this.className}: algorithm_type "${algorithmType}" has no third order; solver_order must be 1 or 2`);
    }
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const earlier = this.planned(this.outputs);
    const { thresholding, algorithmType, solverOrder } = this.config;
    const index = this.currentIndex(timestep);
    const predicted = this.denoised(modelOutput, sample, this.sigmaAt(index));
    const original = thresholding ? dynamicThreshold(predicted, this.config) : predicted;
    const order = this.orderAt(index, earlier.length + 1);
    this.outputs = [original, ...earlier].slice(0, solverOrder);
    const noise = algorithmType === "sde-dpmsolver++" ? this.noise(original.shape, options) : undefined;
    const before = Array.from({ length: order - 1 }, (_, i) => this.levelAt(index - 1 - i));
    const levels: StepLevels = [this.levelAt(index + 1), this.levelAt(index), ...before];
    this.stepIndex = index + 1;
    return { prevSample: multistepUpdate(this.config, levels, this.outputs, sample, noise), predOriginalSample: original };
  }

  /** A timestep that is not in the schedule counts as the last one, as in diffusers. */
  protected override indexOf(timestep: number): number {
    return this.find(timestep) ?? this.timesteps.length - 1;
  }

  private spaced(steps: number): number[] {
    return this.sigmasOn(Array.from(linspaceFloat32(0, 1, steps)), f32);
  }

  private orderAt(index: number, known: number): number {
    const { eulerAtFinal, finalSigmasType } = this.config;
    const steps = this.timesteps.length;
    if (index === steps - 1 && (eulerAtFinal || finalSigmasType === "zero")) return 1;
    return multistepOrder(steps - index, known, steps, this.config);
  }

  /** How noisy the sample is before step `index`: it holds the picture and sigma times the noise. */
  protected override levelAt(index: number): NoiseLevel {
    const sigma = this.sigmaAt(index);
    return { raw: sigma, alpha: 1, sigma, lambda: -logTorch(sigma) };
  }
}
