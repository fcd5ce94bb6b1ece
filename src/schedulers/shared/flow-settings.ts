import { ArgumentError } from "../../errors.js";
import { warn } from "../../warnings.js";
import type { Scheduler, SchedulerClass } from "./scheduler.js";
import { SIGMA_SPACINGS } from "./sigma-spacings.js";

/** The fields of configs that say that a scheduler is for flow matching, and how it shifts noise levels. */
interface FlowConfig {
  readonly useFlowSigmas?: boolean;
  readonly useDynamicShifting?: boolean;
  readonly shift?: number;
  readonly flowShift?: number;
}

/** Whether a scheduler is for networks that predict velocities (rectified flow, Liu et al. 2022). */
export function followsFlow({ className, config }: { readonly className: string; readonly config: object }): boolean {
  return className.startsWith("FlowMatch") || (config as FlowConfig).useFlowSigmas === true;
}

/** The settings by which a solver follows the flow of a checkpoint with this config; undefined for a class that cannot. */
export function flowSettings({ schema }: SchedulerClass, { shift, flowShift }: FlowConfig): Readonly<Record<string, unknown>> | undefined {
  if (!Object.hasOwn(schema.entries, "useFlowSigmas")) return undefined;
  const amount = shift ?? flowShift;
  return { useFlowSigmas: true, predictionType: "flow_prediction", ...(amount !== undefined && { flowShift: amount }) };
}

/**
 * Turns off the checkpoint's spacing of noise levels for a solver that cannot follow a flow with it: betas make its levels, which go far
 * above 1. UniPC maps Karras' levels to those of a flow.
 */
export function withoutSpacing({ className, schema }: SchedulerClass, config: object): Readonly<Record<string, false>> {
  const own = config as Readonly<Record<string, unknown>>;
  const isLeft = (name: string) => className === "UniPCMultistepScheduler" && name === "useKarrasSigmas";
  const found = SIGMA_SPACINGS.filter((name) => own[name] === true && Object.hasOwn(schema.entries, name) && !isLeft(name));
  for (const name of found) warn(`${className} cannot follow a flow with ${name}; its noise levels are evenly spaced`);
  return Object.fromEntries(found.map((name) => [name, false]));
}

/**
 * Checks the noise levels of a solver in flow mode, whose signal is 1 - sigma. diffusers computes logarithms of negative signals there, so
 * that pictures are NaN.
 * @throws ArgumentError for levels above 1
 */
export function expectFlowLevels(scheduler: Scheduler): void {
  const { className, config } = scheduler;
  const [first = 0] = (scheduler as { readonly sigmas?: ArrayLike<number> & Iterable<number> }).sigmas ?? [];
  if ((config as FlowConfig).useFlowSigmas !== true || !(first > 1)) return;
  const spacing = SIGMA_SPACINGS.find((name) => (config as Readonly<Record<string, unknown>>)[name] === true);
  throw new ArgumentError(
    `${className} has noise levels from ${first.toPrecision(3)}${spacing ? `, as ${spacing} makes them` : ""}; those of a flow are at most 1`,
    { argument: "scheduler", hint: spacing ? `set ${spacing} to false, or take the scheduler euler` : "give noise levels of at most 1" },
  );
}
