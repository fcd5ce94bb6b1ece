import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32 } from "./float32/arithmetic.js";
import { flag, oneOf, spacingFields, whole } from "./shared/config-fields.js";
import { eitherStepsOrSigmas, expectDescent } from "./shared/custom-timesteps.js";
import { multistepUpdate } from "./shared/dpm-solver.js";
import {
  algorithmTypeField,
  dpmSolverFields,
  integrand,
  isStochastic,
  refuseContradictions,
  refuseThirdOrder,
} from "./shared/dpm-solver-config.js";
import { LogSnrScheduler } from "./shared/log-snr-scheduler.js";
import { multistepOrder } from "./shared/multistep-order.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { luLambdas, timestepOfSigma } from "./shared/sigma-spacing.js";
import { solverSchedule, timestepsAbove } from "./shared/solver-schedule.js";
import { solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...dpmSolverFields(),
  /** 1 to 3; 2 is recommended with guidance. */
  solverOrder: whole(2, 1),
  /** Which solver: "dpmsolver++" (default) and the others that the class has. */
  algorithmType: algorithmTypeField(["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"]),
  /** Lower the order in the last steps of runs shorter than 15 steps. */
  lowerOrderFinal: flag(true),
  /** Take the last step with order 1, however long the run is. */
  eulerAtFinal: flag(false),
  /** Space steps uniformly in log-SNR. */
  useLuLambdas: flag(false),
  /** Where the last step ends: at no noise, or at the cleanest training sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
  ...spacingFields("linspace"),
  /** Rescale betas so that the last timestep is pure noise (Lin et al. 2023, Algorithm 1); false by default. */
  rescaleBetasZeroSnr: flag(false),
  /** Shift sigmas by the `mu` given to `setTimesteps`; false by default. */
  useDynamicShifting: flag(false),
  /** How `mu` shifts sigmas under dynamic shifting; "exponential" by default. */
  timeShiftType: oneOf(["exponential"], "exponential"),
});

/** Config of a {@link DPMSolverMultistepScheduler}, with its defaults filled in. @interface */
export type DPMSolverMultistepConfig = v.InferOutput<typeof schema>;

/**
 * DPM-Solver and DPM-Solver++ as multistep methods of order 1 to 3, and their SDE variants.
 * Lu et al. 2022 (arXiv:2206.00927), section 3 and appendix; Lu et al. 2022 (arXiv:2211.01095), Algorithm 2 and appendix A.
 * Matches diffusers' DPMSolverMultistepScheduler.
 */
export class DPMSolverMultistepScheduler extends LogSnrScheduler<DPMSolverMultistepConfig> {
  static override readonly className = "DPMSolverMultistepScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps", "sigmas", "mu"] as const;

  /** Not with flow sigmas, as in diffusers. */
  override get takesSigmas(): boolean {
    return !this.config.useFlowSigmas;
  }

  constructor(config: Partial<DPMSolverMultistepConfig> = {}) {
    super(config);
    refuseContradictions(this.className, this.config);
  }

  protected override plan(options: TimestepOptions): void {
    const { numInferenceSteps, timesteps: custom, sigmas: levels, mu } = options;
    const { config, training } = this;
    this.takeMu(mu);
    eitherStepsOrSigmas(this.className, options);
    if (levels) {
      this.followLevels(levels);
      return;
    }
    if (custom) this.checkCustomTimesteps(numInferenceSteps);
    const steps = numInferenceSteps ?? custom?.length ?? 0;
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset } = config;
    const last = timestepsAbove(config.lambdaMinClipped, training, trainSteps);
    const given = custom?.map(Math.trunc) ?? solverTimesteps(timestepSpacing, { steps, trainSteps, offset, last });

    const round = config.betaSchedule === "squaredcos_cap_v2" ? (t: number) => t : roundTiesToEven;
    let { timesteps, sigmas } = solverSchedule(config, training, { timesteps: given, steps, flowShift: this.flowShift, round });
    if (config.useLuLambdas && !config.useKarrasSigmas) {
      const { logSigmas } = training;
      sigmas = luLambdas(logSigmas.at(-1) as number, logSigmas[0] as number, steps).map(Math.exp);
      timesteps = sigmas.map((sigma) => round(timestepOfSigma(sigma, logSigmas)));
    }
    const end = config.finalSigmasType === "zero" ? 0 : training.range.min;
    this.start(timesteps.map(Math.trunc), [...sigmas, end].map(f32));
    const orders = this.timesteps.map((_, i) => this.orderAt(i, i + 1));
    refuseThirdOrder(this.className, config, orders, ["sde-dpmsolver"]);
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const earlier = this.planned(this.outputs);
    const index = this.currentIndex(timestep);
    const output = integrand(this.config, modelOutput, sample, this.levelAt(index));
    this.outputs = [output, ...earlier].slice(0, this.config.solverOrder);
    const order = this.orderAt(index, earlier.length + 1);
    const noise = isStochastic(this.config) ? this.noise(output.shape, options) : undefined;
    this.stepIndex = index + 1;
    return { prevSample: multistepUpdate(this.config, this.levelsOf(index, order), this.outputs, sample, noise) };
  }

  /** The order of a step that has `known` outputs: lower in the first steps, and in the last ones if the config says so. */
  private orderAt(index: number, known: number): number {
    const { eulerAtFinal, finalSigmasType } = this.config;
    const steps = this.timesteps.length;
    if (index === steps - 1 && (eulerAtFinal || finalSigmasType === "zero")) return 1;
    return multistepOrder(steps - index, known, steps, this.config);
  }

  /** Custom levels, the last of which is the end of the run. */
  private followLevels(levels: readonly number[]): void {
    const { config, training } = this;
    expectDescent(this.className, levels);
    if (config.useFlowSigmas) {
      throw new ArgumentError(`${this.className}: custom sigmas cannot be used with flow sigmas`, { argument: "sigmas" });
    }
    const timesteps = levels.slice(0, -1).map((sigma) => roundTiesToEven(timestepOfSigma(sigma, training.logSigmas)));
    this.start(timesteps, levels.map(f32));
    const orders = this.timesteps.map((_, i) => this.orderAt(i, i + 1));
    refuseThirdOrder(this.className, config, orders, ["sde-dpmsolver"]);
  }

  private checkCustomTimesteps(numInferenceSteps: number | undefined): void {
    const { useKarrasSigmas, useExponentialSigmas, useBetaSigmas, useLuLambdas, useFlowSigmas } = this.config;
    if (numInferenceSteps !== undefined)
      throw new ArgumentError(`${this.className}: only one of numInferenceSteps and timesteps can be given`, { argument: "timesteps" });
    if (useKarrasSigmas || useExponentialSigmas || useBetaSigmas || useLuLambdas || useFlowSigmas) {
      throw new ArgumentError(`${this.className}: custom timesteps cannot be used with karras, exponential, beta, Lu or flow sigmas`, {
        argument: "timesteps",
      });
    }
  }
}
