import { ArgumentError } from "../../errors.js";
import type { TimestepOptions } from "./scheduler.js";

/** @throws ArgumentError if a run is given both as a number of steps and as timesteps. */
export function eitherStepsOrTimesteps(className: string, { numInferenceSteps, timesteps }: TimestepOptions): void {
  if (numInferenceSteps !== undefined && timesteps) {
    throw new ArgumentError(`${className}: only one of numInferenceSteps and timesteps can be given`, { argument: "timesteps" });
  }
}

/** @throws ArgumentError if a run is given both as a number of steps, or as timesteps, and as noise levels. */
export function eitherStepsOrSigmas(className: string, { numInferenceSteps, timesteps, sigmas }: TimestepOptions): void {
  if (!sigmas || (numInferenceSteps === undefined && !timesteps)) return;
  const other = numInferenceSteps === undefined ? "timesteps" : "numInferenceSteps";
  throw new ArgumentError(`${className}: only one of ${other} and sigmas can be given`, { argument: "sigmas" });
}

/** @throws ArgumentError unless there are at least two sigmas, which descend. `end` is the last one, if the class needs it so. */
export function expectDescent(className: string, sigmas: readonly number[], end?: 0): void {
  const descends = sigmas.every((sigma, i) => i === 0 || sigma < (sigmas[i - 1] as number));
  if (sigmas.length >= 2 && descends && (end === undefined || sigmas.at(-1) === end)) return;
  throw new ArgumentError(`${className}: custom sigmas must descend${end === 0 ? " and end with 0" : ""}; got ${sigmas.join(", ")}`, {
    argument: "sigmas",
  });
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
