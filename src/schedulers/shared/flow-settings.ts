import type { SchedulerClass } from "./scheduler.js";

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
