import { ArgumentError } from "../../errors.js";
import type { TimestepOptions } from "./scheduler.js";

/** @throws ArgumentError if a run is given both as a number of steps and as timesteps. */
export function eitherStepsOrTimesteps(className: string, { numInferenceSteps, timesteps }: TimestepOptions): void {
  if (numInferenceSteps !== undefined && timesteps) {
    throw new ArgumentError(`${className}: only one of numInferenceSteps and timesteps can be given`, { argument: "timesteps" });
  }
}

/** @throws ArgumentError if custom timesteps do not descend, or start past the `trainSteps` of training. */
export function refuseUnordered(className: string, timesteps: readonly number[], trainSteps: number): void {
  const rise = timesteps.findIndex((timestep, i) => i > 0 && timestep >= (timesteps[i - 1] as number));
  if (rise > 0) {
    throw new ArgumentError(`${className}: custom timesteps must descend; ${timesteps[rise]} follows ${timesteps[rise - 1]}`, {
      argument: "timesteps",
    });
  }
  if ((timesteps[0] as number) >= trainSteps) {
    throw new ArgumentError(
      `${className}: custom timesteps start at ${timesteps[0]}; the model was trained with timesteps below ${trainSteps}`,
    );
  }
}

/** @throws ArgumentError if a run has more steps than training had timesteps. */
export function refuseTooManySteps(numInferenceSteps: number, trainSteps: number): void {
  if (numInferenceSteps > trainSteps) {
    throw new ArgumentError(
      (name) => `${name("numInferenceSteps")} is ${numInferenceSteps}; the model was trained with only ${trainSteps} timesteps`,
      { argument: "numInferenceSteps" },
    );
  }
}
