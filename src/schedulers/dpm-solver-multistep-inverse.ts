import * as v from "valibot";
import { roundTiesToEven } from "../tensor/round.js";
import { f32 } from "./float32/arithmetic.js";
import { flag, spacingFields, whole } from "./shared/config-fields.js";
import { algorithmTypeField, dpmSolverFields } from "./shared/dpm-solver.js";
import { MultistepDPMSolver } from "./shared/dpm-solver-multistep-base.js";
import type { TimestepOptions } from "./shared/scheduler.js";
import { linspace, solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...dpmSolverFields(),
  /** 1 to 3. */
  solverOrder: whole(2, 1),
  /** Which solver: "dpmsolver++" (default) and the others that the class has. */
  algorithmType: algorithmTypeField(["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"]),
  /** Go down in order in the last steps of runs shorter than 15. */
  lowerOrderFinal: flag(true),
  /** Take the last step with order 1 whatever the length. */
  eulerAtFinal: flag(false),
  ...spacingFields("linspace"),
});

/** Config of a {@link DPMSolverMultistepInverseScheduler}, with its defaults filled in. @interface */
export type DPMSolverMultistepInverseConfig = v.InferOutput<typeof schema>;

/**
 * DPM-Solver backwards: from a picture to the noise it would come from, for editing.
 * Lu et al. 2022 (arXiv:2211.01095), Algorithm 2 with ascending sigmas, as in DiffEdit (Couairon et al. 2022, arXiv:2210.11427).
 * Matches diffusers' DPMSolverMultistepInverseScheduler.
 */
export class DPMSolverMultistepInverseScheduler extends MultistepDPMSolver<DPMSolverMultistepInverseConfig> {
  static override readonly className = "DPMSolverMultistepInverseScheduler";
  static override readonly schema = schema;

  /** The timesteps to evaluate the model at, cleanest first. */
  override timesteps: readonly number[] = Array.from(this.trainingSigmas.keys());

  protected override plan({ numInferenceSteps: steps = 0 }: TimestepOptions): void {
    const noisiest = this.timestepsAbove(this.config.lambdaMinClipped) - 1;
    const { min, max } = this.trainingRange;
    // A spacing from the noisy to the clean end with the ends exchanged ascends.
    const schedule = this.schedule(this.spacedTimesteps(steps, noisiest), steps, { range: { min: max, max: min } });
    const end = schedule.interpolated ? (this.trainingSigmas.at(noisiest) as number) : (schedule.sigmas.at(-1) as number);
    // Repeated timesteps are left out, their sigmas are not; kept for parity.
    this.start([...new Set(schedule.timesteps)].map(Math.trunc), [...schedule.sigmas, end].map(f32));
    this.refuseMissingOrders(["sde-dpmsolver", "sde-dpmsolver++"]);
  }

  protected override orderAt(index: number, known: number): number {
    if (index === this.timesteps.length - 1 && this.config.eulerAtFinal) return 1;
    return this.multistepOrder(index, known, this.config);
  }

  /** Cleanest first; the noisiest one is left out, where the steps end. */
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
