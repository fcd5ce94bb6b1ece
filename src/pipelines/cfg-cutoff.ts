import { ArgumentError } from "../errors.js";
import type { UNet2DConditionModel } from "../models/unet-2d-condition.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, real, whole } from "../options/fields.js";
import type { OnStepEnd, StepEnd } from "./shared/steering.js";

/** When guidance or IP-Adapters end: after a share of the steps, or after the step with an index. */
export interface CfgCutoffOptions {
  /** The share of the steps, 0..1: the last step with it is the one whose index is that share of the loop's turns, rounded down. */
  readonly cutoffStepRatio?: number | undefined;
  /** Instead of a share: the index of the last step with it, from 0. */
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
  const isCutoff = cutoff(options, "cfgCutoff");
  return (step) => (isCutoff(step) ? { guidanceScale: 0 } : undefined);
}

/**
 * An `onStepEnd` that turns the pipeline's IP-Adapters off after a step:
 * `pipe.generate({ prompt, ipAdapterImage, onStepEnd: ipAdapterScaleCutoff(pipe, { cutoffStepRatio: 0.4 }) })`. As in diffusers'
 * IPAdapterScaleCutoffCallback, the scales stay 0: call `setIPAdapterScale` before the next picture.
 * @throws ArgumentError unless exactly one of the options is given.
 */
export function ipAdapterScaleCutoff({ unet }: { readonly unet: UNet2DConditionModel }, options: CfgCutoffOptions): OnStepEnd {
  const isCutoff = cutoff(options, "ipAdapterScaleCutoff");
  return (step) => {
    const { ipAdapters } = unet;
    if (isCutoff(step)) ipAdapters.setScales(new Array<number>(ipAdapters.count).fill(0));
    return undefined;
  };
}

/** Whether a step is the last one before the cutoff. @throws ArgumentError unless exactly one of the options is given. */
function cutoff(options: CfgCutoffOptions, call: string): (step: Pick<StepEnd, "index" | "total">) => boolean {
  const { cutoffStepRatio: ratio, cutoffStepIndex: last } = checkOptions(options, FIELDS, { call });
  if ((ratio === undefined) === (last === undefined)) {
    const found = ratio === undefined ? "neither cutoffStepRatio nor cutoffStepIndex was" : "both cutoffStepRatio and cutoffStepIndex were";
    throw new ArgumentError(`${found} given; expected one of them`, { argument: "cutoffStepRatio" });
  }
  return ({ index, total }) => index === (last ?? Math.trunc(total * (ratio as number)));
}
