import { SCHEDULERS } from "../schedulers/registry.js";

/** Web UIs' name for a scheduler: its sampler and, if it is not the sampler's default, the spacing of its noise levels. */
export function samplerSettings(className: string, config: Readonly<Record<string, unknown>> = {}): Record<string, string> {
  const names = Object.entries(SCHEDULERS[className]?.samplers ?? {});
  const name = names.findLast(([, fields]) => Object.entries(fields).every(([field, value]) => config[field] === value))?.[0] ?? className;
  const type = config.useKarrasSigmas ? "Karras" : config.useExponentialSigmas ? "Exponential" : config.useBetaSigmas ? "Beta" : undefined;
  return { Sampler: name, ...(type && { "Schedule type": type }) };
}
