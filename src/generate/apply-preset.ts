import { FAMILIES } from "../families/lookups.js";
import { PRESETS, type Preset } from "../families/presets.js";
import { warn } from "../warnings.js";
import type { KnownFamily } from "./families.js";
import type { RunRequest } from "./run-request.js";

/**
 * The request with the options of its preset. What the request itself says goes first: another scheduler replaces the preset's with its
 * settings, and another number of steps the preset's timesteps.
 */
export function applyPreset(request: RunRequest): RunRequest {
  if (request.preset === undefined) return request;
  const { scheduler, schedulerConfig, numInferenceSteps, timesteps, guidanceScale, eta }: Preset = PRESETS[request.preset];
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as RunRequest;
  const hasSteps = given.numInferenceSteps !== undefined || given.timesteps !== undefined || given.sigmas !== undefined;
  return {
    guidanceScale,
    ...(!hasSteps && { numInferenceSteps }),
    ...(!hasSteps && timesteps && { timesteps }),
    ...(given.scheduler === undefined && eta !== undefined && { eta }),
    ...given,
    ...(given.scheduler === undefined && {
      scheduler,
      schedulerConfig: settings(schedulerConfig, given),
    }),
  };
}

/** The preset's settings of the scheduler, and those of the request. */
function settings(preset: Preset["schedulerConfig"], { schedulerConfig, timestepSpacing }: RunRequest): RunRequest["schedulerConfig"] {
  const merged = { ...preset, ...(timestepSpacing && { timestepSpacing }), ...schedulerConfig };
  return Object.keys(merged).length === 0 ? undefined : merged;
}

/** Warns of a preset for other checkpoints than this one. */
export function warnOfPreset({ preset }: RunRequest, { id, name: family }: KnownFamily): void {
  if (preset === undefined) return;
  const { families, description }: Preset = PRESETS[preset];
  if (families.includes(id)) return;
  const names = families.map((each) => FAMILIES.find((other) => other.id === each)?.name ?? each).join(" or ");
  warn((name) => `${name("preset")} ${preset} is for ${names} (${description}); this checkpoint is ${family}`);
}
