import { ArgumentError } from "../errors.js";
import { SCHEDULERS } from "../schedulers/registry.js";
import { hasTrainingLevels, type ScheduleName, scheduleSigmas } from "../schedulers/shared/named-schedules.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";
import type { KnownFamily } from "./families.js";
import type { SchedulerSettings } from "./run-request.js";

/** How a scheduler gets the noise levels of a name: from a list, or by settings of its own. */
export interface NamedLevels {
  /** The levels of a run of so many steps. */
  readonly of?: (steps: number) => readonly number[];
  /** Settings that stand for the name, for a scheduler that takes no list. */
  readonly config?: SchedulerSettings;
}

/** Settings of diffusers that give the same levels. */
const SETTINGS: Readonly<Partial<Record<ScheduleName, SchedulerSettings>>> = {
  karras: { useKarrasSigmas: true, useExponentialSigmas: false, useBetaSigmas: false },
  exponential: { useKarrasSigmas: false, useExponentialSigmas: true, useBetaSigmas: false },
  polyexponential: { useKarrasSigmas: false, useExponentialSigmas: true, useBetaSigmas: false },
  beta: { useKarrasSigmas: false, useExponentialSigmas: false, useBetaSigmas: true },
};

/** @throws ArgumentError if the scheduler can take the levels in neither way */
export function namedLevels(schedule: ScheduleName, scheduler: Scheduler, family: KnownFamily): NamedLevels {
  const isXL = family.id.includes("xl");
  const canEnd = schedule !== "kl-optimal" || !scheduler.endsAtZero;
  if (scheduler.takesSigmas && canEnd && hasTrainingLevels(scheduler.config))
    return { of: (steps) => scheduleSigmas(schedule, scheduler, { steps, isXL }) };
  const config = SETTINGS[schedule];
  const { schema } = scheduler.constructor as unknown as SchedulerClass;
  if (config && Object.keys(config).every((field) => field in schema.entries)) return { config };
  throw new ArgumentError((name) => `${scheduler.className} cannot take the noise levels of ${name("schedule")} ${schedule}`, {
    argument: "schedule",
    hint: (name) => `${name("scheduler")} can be ${TAKERS}`,
  });
}

/** Schedulers that take every schedule, by their shortest names. */
const TAKERS = [
  "EulerDiscreteScheduler",
  "EulerAncestralDiscreteScheduler",
  "DPMSolverMultistepScheduler",
  "HeunDiscreteScheduler",
  "LMSDiscreteScheduler",
]
  .flatMap((className) => Object.keys(SCHEDULERS[className]?.aliases ?? {}).slice(0, 1))
  .join(", ");
