import { ArgumentError } from "../errors.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, real, whole } from "../options/fields.js";
import type { OnStepEnd } from "./shared/steering.js";

/** When guidance ends: after a share of the steps, or after the step with an index. */
export interface CfgCutoffOptions {
  /** The share of the steps, 0..1: guidance ends after the step whose index is that share of the loop's turns, rounded down. */
  readonly cutoffStepRatio?: number | undefined;
  /** Instead of a share: the index of the last guided step, from 0. */
  readonly cutoffStepIndex?: number | undefined;
}

const FIELDS: Fields<CfgCutoffOptions> = { cutoffStepRatio: real(0, 1), cutoffStepIndex: whole(0) };

/**
 * An `onStepEnd` that turns guidance off after a step: `pipe.generate({ prompt, onStepEnd: cfgCutoff({ cutoffStepRatio: 0.4 }) })`. Later
 * steps take half the time. diffusers' SDCFGCutoffCallback, SDXLCFGCutoffCallback and SDXLControlnetCFGCutoffCallback; it serves any number
 * of pictures.
 * @throws ArgumentError unless exactly one of the options is given.
 */
export function cfgCutoff(options: CfgCutoffOptions): OnStepEnd {
  const { cutoffStepRatio: ratio, cutoffStepIndex: last } = checkOptions(options, FIELDS, { call: "cfgCutoff" });
  if ((ratio === undefined) === (last === undefined)) {
    const found = ratio === undefined ? "neither cutoffStepRatio nor cutoffStepIndex was" : "both cutoffStepRatio and cutoffStepIndex were";
    throw new ArgumentError(`${found} given; expected one of them`, { argument: "cutoffStepRatio" });
  }
  return ({ index, total }) => (index === (last ?? Math.trunc(total * (ratio as number))) ? { guidanceScale: 0 } : undefined);
}
