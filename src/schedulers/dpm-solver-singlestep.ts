import * as v from "valibot";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32 } from "./float32/arithmetic.js";
import { flag, oneOf, whole } from "./shared/config-fields.js";
import { singlestepUpdate } from "./shared/dpm-solver.js";
import {
  algorithmTypeField,
  dpmSolverFields,
  integrand,
  integratesPicture,
  isStochastic,
  refuseContradictions,
} from "./shared/dpm-solver-config.js";
import { LogSnrScheduler } from "./shared/log-snr-scheduler.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { namedSpacing } from "./shared/sigma-spacing.js";
import { solverSchedule, timestepsAbove } from "./shared/solver-schedule.js";
import { solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...dpmSolverFields(),
  /** 1 to 3: how many evaluations make a group; 2 is recommended with guidance. */
  solverOrder: whole(2, 1, 3),
  /** Which solver: "dpmsolver++" (default) and the others that the class has. */
  algorithmType: algorithmTypeField(["dpmsolver", "dpmsolver++", "sde-dpmsolver++"]),
  /** End in smaller groups, so that any number of steps is possible. Always done if the steps cannot be divided or end at no noise. */
  lowerOrderFinal: flag(false),
  /** Where the last step ends: at no noise, or at the cleanest training sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
  /** Shift sigmas by the `mu` given to `setTimesteps`; false by default. */
  useDynamicShifting: flag(false),
  /** How `mu` shifts sigmas under dynamic shifting; "exponential" by default. */
  timeShiftType: oneOf(["exponential"], "exponential"),
});

/** Config of a {@link DPMSolverSinglestepScheduler}, with its defaults filled in. @interface */
export type DPMSolverSinglestepConfig = v.InferOutput<typeof schema>;

/**
 * DPM-Solver and DPM-Solver++ as singlestep methods: groups of up to three evaluations of the model, each group a step of its own.
 * Lu et al. 2022 (arXiv:2206.00927), Algorithms 1 and 2, appendix D; Lu et al. 2022 (arXiv:2211.01095), Algorithm 1.
 * Matches diffusers' DPMSolverSinglestepScheduler.
 */
export class DPMSolverSinglestepScheduler extends LogSnrScheduler<DPMSolverSinglestepConfig> {
  static override readonly className = "DPMSolverSinglestepScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps", "mu"] as const;
  // Stays true after a run that needs it, as in diffusers.
  private lowerOrderFinal = this.config.lowerOrderFinal;
  /** The order of every step: counts up from 1 within a group. */
  private orders: readonly number[] = [];
  private groupSample: Tensor | undefined; // where the current group began

  constructor(config: Partial<DPMSolverSinglestepConfig> = {}) {
    super(config);
    refuseContradictions(this.className, this.config);
    const { algorithmType, thresholding } = this.config;
    if (thresholding && !integratesPicture(this.config)) {
      throw new ConfigError(`${this.className}: thresholding does not go with algorithm_type "${algorithmType}"`);
    }
  }

  protected override plan({ numInferenceSteps, timesteps: custom, mu }: TimestepOptions): void {
    const { config, training } = this;
    this.takeMu(mu);
    if (custom && numInferenceSteps !== undefined) {
      throw new ArgumentError(`${this.className}: only one of numInferenceSteps and timesteps can be given`, { argument: "timesteps" });
    }
    if (custom && namedSpacing(config)) {
      throw new ArgumentError(`${this.className}: custom timesteps cannot be used with karras, exponential or beta sigmas`, {
        argument: "timesteps",
      });
    }
    const steps = numInferenceSteps ?? custom?.length ?? 0;
    const trainSteps = config.numTrainTimesteps;
    const last = timestepsAbove(config.lambdaMinClipped, training, trainSteps);
    const given = custom?.map(Math.trunc) ?? solverTimesteps("linspace", { steps, trainSteps, offset: 0, last });
    const { timesteps, sigmas } = solverSchedule(config, training, { timesteps: given, steps, flowShift: this.flowShift });
    const end = config.finalSigmasType === "zero" ? 0 : training.range.min;
    this.start(timesteps.map(Math.trunc), [...sigmas, end].map(f32));
    this.lowerOrderFinal ||= steps % config.solverOrder !== 0 || config.finalSigmasType === "zero";
    this.orders = this.groupOrders(steps);
    this.groupSample = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    const earlier = this.planned(this.outputs);
    const index = this.currentIndex(timestep);
    const output = integrand(this.config, modelOutput, sample, this.levelAt(index));
    this.outputs = [output, ...earlier].slice(0, this.config.solverOrder);
    const noise = isStochastic(this.config) ? this.noise(output.shape, options) : undefined;
    const order = Math.min(this.orders[index] ?? 1, this.outputs.length);
    if (order === 1 || !this.groupSample) this.groupSample = sample;
    this.stepIndex = index + 1;
    const group = this.outputs.slice(0, order);
    return { prevSample: singlestepUpdate(this.config, this.levelsOf(index, order), group, this.groupSample, noise) };
  }

  private groupOrders(steps: number): number[] {
    const { solverOrder, finalSigmasType } = this.config;
    const orders = Array.from({ length: steps }, (_, i) => (i % solverOrder) + 1);
    const whole = steps % solverOrder === 0;
    if ((whole && this.lowerOrderFinal) || finalSigmasType === "zero") orders[steps - 1] = 1;
    return orders;
  }
}
