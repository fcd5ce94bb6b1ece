import type { SchedulerOptions } from "../pipelines/open-pipeline.js";
import { expectSettings, namedScheduler, type ResolvedScheduler } from "../schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";
import type { SchedulerSettings } from "./run-request.js";

/**
 * The scheduler that was named, or the checkpoint's own, with these settings and those of `config`.
 * @throws ArgumentError for one that its class does not have or take
 */
export function chooseScheduler(
  own: Scheduler,
  named: ResolvedScheduler | undefined,
  settings: SchedulerOptions,
  config: SchedulerSettings = {},
): Scheduler {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const chosen = named ? namedScheduler(named, own) : own;
  const type = chosen.constructor as unknown as SchedulerClass;
  expectSettings(type, given);
  expectSettings(type, config, "schedulerConfig.");
  const overrides = { ...config, ...given };
  return Object.keys(overrides).length === 0 ? chosen : chosen.clone(overrides);
}
