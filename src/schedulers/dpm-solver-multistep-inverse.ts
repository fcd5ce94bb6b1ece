import * as v from "valibot";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { f32 } from "./float32/arithmetic.js";
import { flag, spacingFields, whole } from "./shared/config-fields.js";
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
import { solverSchedule, timestepsAbove } from "./shared/solver-schedule.js";
import { linspace, solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...dpmSolverFields(),
  /** 1 to 3. */
  solverOrder: whole(2, 1),
  /** Which solver: "dpmsolver++" (default) and the others that the class has. */
  algorithmType: algorithmTypeField(["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"]),
  /** Lower the order in the last steps of runs shorter than 15 steps. */
  lowerOrderFinal: flag(true),
  /** Take the last step with order 1, however long the run is. */
  eulerAtFinal: flag(false),
  ...spacingFields("linspace"),
});

/** Config of a {@link DPMSolverMultistepInverseScheduler}, with its defaults filled in. @interface */
export type DPMSolverMultistepInverseConfig = v.InferOutput<typeof schema>;

/**
 * DPM-Solver backwards: from a picture to the noise that leads to it, for editing.
 * Lu et al. 2022 (arXiv:2211.01095), Algorithm 2 with ascending sigmas, as in DiffEdit (Couairon et al. 2022, arXiv:2210.11427).
 * Matches diffusers' DPMSolverMultistepInverseScheduler.
 */
export class DPMSolverMultistepInverseScheduler extends LogSnrScheduler<DPMSolverMultistepInverseConfig> {
  static override readonly className = "DPMSolverMultistepInverseScheduler";
  static override readonly schema = schema;

  /** The timesteps to evaluate the model at, cleanest first. */
  override timesteps: readonly number[] = Array.from(this.training.sigmas.keys());

  constructor(config: Partial<DPMSolverMultistepInverseConfig> = {}) {
    super(config);
    refuseContradictions(this.className, this.config);
  }

  protected override plan({ numInferenceSteps: steps = 0 }: TimestepOptions): void {
    const { config, training } = this;
    const noisiest = timestepsAbove(config.lambdaMinClipped, training, config.numTrainTimesteps) - 1;
    // Spacings go from the noisiest to the cleanest sigma. With the ends exchanged they ascend.
    const range = { min: training.range.max, max: training.range.min };
    const timesteps = this.spacedTimesteps(steps, noisiest);
    const schedule = solverSchedule(config, training, { timesteps, steps, flowShift: this.flowShift, range });
    const end = schedule.interpolated ? (training.sigmas.at(noisiest) as number) : (schedule.sigmas.at(-1) as number);
    // Repeated timesteps are left out, but not their sigmas, as in diffusers.
    this.start([...new Set(schedule.timesteps)].map(Math.trunc), [...schedule.sigmas, end].map(f32));
    const orders = this.timesteps.map((_, i) => this.orderAt(i, i + 1));
    refuseThirdOrder(this.className, config, orders, ["sde-dpmsolver", "sde-dpmsolver++"]);
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

  private orderAt(index: number, known: number): number {
    const steps = this.timesteps.length;
    if (index === steps - 1 && this.config.eulerAtFinal) return 1;
    return multistepOrder(steps - index, known, steps, this.config);
  }

  /** Cleanest first. The noisiest timestep, where the last step ends, is left out. */
  private spacedTimesteps(steps: number, noisiest: number): number[] {
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset } = this.config;
    switch (timestepSpacing) {
      case "linspace":
        return linspace(0, noisiest, steps + 1)
          .map(roundTiesToEven)
          .slice(0, -1);
      case "leading": {
        const ratio = Math.floor((noisiest + 1) / (steps + 1));
        return Array.from({ length: steps }, (_, i) => i * ratio + offset);
      }
      case "trailing":
        return solverTimesteps("trailing", { steps, trainSteps, offset, last: noisiest + 1 }).reverse();
    }
  }
}
