import * as v from "valibot";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { flag, oneOf, whole } from "./shared/config-fields.js";
import { algorithmTypeField, DPMSolver, dpmSolverFields, solverWeights } from "./shared/dpm-solver.js";
import type { StepOptions, StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { namedSpacing } from "./shared/sigma-spacing.js";
import { solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...dpmSolverFields(),
  /** 1 to 3: how many evaluations make a group; 2 is recommended with guidance. */
  solverOrder: whole(2, 1, 3),
  /** Which solver: "dpmsolver++" (default) and the others that the class has. */
  algorithmType: algorithmTypeField(["dpmsolver", "dpmsolver++", "sde-dpmsolver++"]),
  /** End in smaller groups, so that any number of steps will do. Always so where the steps do not divide or end at no noise. */
  lowerOrderFinal: flag(false),
  /** Where the last step ends: at no noise, or at the cleanest training sigma. */
  finalSigmasType: oneOf(["zero", "sigma_min"], "zero"),
  /** Shift by the `mu` that `setTimesteps` is given; false by default. */
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
export class DPMSolverSinglestepScheduler extends DPMSolver<DPMSolverSinglestepConfig> {
  static override readonly className = "DPMSolverSinglestepScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["timesteps", "mu"] as const;
  // Stays on once a run needed it, as in diffusers.
  private lowerOrderFinal = this.config.lowerOrderFinal;
  /** The order of every step: counts up from 1 within a group. */
  private orders: readonly number[] = [];
  private groupSample: Tensor | undefined; // where the group under way began

  constructor(config: Partial<DPMSolverSinglestepConfig> = {}) {
    super(config);
    const { algorithmType, thresholding } = this.config;
    if (thresholding && !this.predictsOriginal) {
      throw new ConfigError(`${this.className}: thresholding does not go with algorithm_type "${algorithmType}"`);
    }
  }

  protected override plan({ numInferenceSteps, timesteps: custom, mu }: TimestepOptions): void {
    const { config, trainingSigmas } = this;
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
    const last = this.timestepsAbove(config.lambdaMinClipped);
    const spaced = solverTimesteps("linspace", { steps, trainSteps: config.numTrainTimesteps, offset: 0, last });
    const { timesteps, sigmas } = this.schedule(custom?.map(Math.trunc) ?? spaced, steps);
    const end = config.finalSigmasType === "zero" ? 0 : (trainingSigmas[0] as number);
    this.start(timesteps.map(Math.trunc), [...sigmas, end].map(f32));
    this.lowerOrderFinal ||= steps % config.solverOrder !== 0 || config.finalSigmasType === "zero";
    this.orders = this.groupOrders(steps);
    this.groupSample = undefined;
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    this.requirePlan(this.planned);
    const index = this.currentIndex(timestep);
    const converted = this.convert(modelOutput, sample, this.level(index));
    this.remember(converted, this.config.solverOrder);
    const noise = this.isStochastic ? this.noise(converted.shape, options) : undefined;
    const order = Math.min(this.orders[index] ?? 1, this.outputs.length);
    if (order === 1 || !this.groupSample) this.groupSample = sample;
    const prevSample = this.update(order, index, this.groupSample, noise);
    this.stepIndex = index + 1;
    return { prevSample };
  }

  /** The group's first sample moved to the end of the step at `index`, with the group's `order` outputs so far. */
  private update(order: number, index: number, sample: Tensor, noise: Tensor | undefined): Tensor {
    const { algorithmType, solverType } = this.config;
    const [to, from] = [this.level(index + 1), this.level(index + 1 - order)];
    const h = f32(to.lambda - from.lambda);
    const weights = solverWeights(algorithmType, to, from, h);
    const outputs = this.outputs.slice(0, order).toReversed(); // oldest first
    const [m0, m1, m2] = outputs as [Tensor, Tensor, Tensor];
    const ending: [number, Tensor][] = noise ? [[weights.noise, noise]] : [];
    const start: [number, Tensor][] = [
      [weights.sample, sample],
      [weights.d0, m0],
    ];
    if (order === 1) return sumFloat32(...start, ...ending);

    /** How far into the step, in lambda, the group's evaluation `i` lies, and its slope from the group's beginning. */
    const ratio = (i: number) => f32(f32(this.level(index + 1 - order + i).lambda - from.lambda) / h);
    const slope = (output: Tensor, r: number) => output.sub(m0).mul(f32(1 / r));
    if (order === 2) {
      const weight = solverType === "midpoint" ? 0.5 * weights.d0 : weights.d1;
      return sumFloat32(...start, [weight, slope(m1, ratio(1))], ...ending);
    }
    const [r1, r2] = [ratio(1), ratio(2)];
    const [slope1, slope2] = [slope(m1, r1), slope(m2, r2)];
    if (solverType === "midpoint") return sumFloat32(...start, [weights.d1, slope2], ...ending);
    const first = sumFloat32([r2, slope1], [-r1, slope2]).div(f32(r2 - r1));
    const second = slope2
      .sub(slope1)
      .mul(2)
      .div(f32(r2 - r1));
    return sumFloat32(...start, [weights.d1, first], [weights.d2, second], ...ending);
  }

  private groupOrders(steps: number): number[] {
    const { solverOrder, finalSigmasType } = this.config;
    const orders = Array.from({ length: steps }, (_, i) => (i % solverOrder) + 1);
    const whole = steps % solverOrder === 0;
    if ((whole && this.lowerOrderFinal) || finalSigmasType === "zero") orders[steps - 1] = 1;
    return orders;
  }
}
