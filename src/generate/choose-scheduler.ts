import type { SchedulerOptions } from "../pipelines/diffusion-pipeline.js";
import { expectSettings, type ResolvedScheduler } from "../schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../schedulers/shared/scheduler.js";

/** The scheduler that was named, or the checkpoint's own, with these settings. */
export function chooseScheduler(own: Scheduler, named: ResolvedScheduler | undefined, settings: SchedulerOptions): Scheduler {
  const overrides = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  expectSettings(named?.class ?? (own.constructor as unknown as SchedulerClass), overrides);
  if (named) return named.class.fromConfig(own.config, { ...named.overrides, ...overrides });
  return Object.keys(overrides).length === 0 ? own : own.clone(overrides);
}
