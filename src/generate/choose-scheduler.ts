import type { SchedulerOptions } from "../pipelines/open-pipeline.js";
import { expectSettings, namedScheduler, type ResolvedScheduler } from "../schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";
import { SIGMA_SPACINGS } from "../schedulers/shared/sigma-spacings.js";
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
  const overrides = { ...otherSpacings(chosen, config), ...config, ...given };
  return Object.keys(overrides).length === 0 ? chosen : chosen.clone(overrides);
}

/** The checkpoint's own spacing of noise levels is off if the settings name another. */
function otherSpacings({ config: own }: Scheduler, config: SchedulerSettings): SchedulerSettings {
  if (!SIGMA_SPACINGS.some((name) => config[name] === true)) return {};
  const isOn = (name: (typeof SIGMA_SPACINGS)[number]) => (own as SchedulerSettings)[name] === true && config[name] === undefined;
  return Object.fromEntries(SIGMA_SPACINGS.filter(isOn).map((name) => [name, false]));
}
