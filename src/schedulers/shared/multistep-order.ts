/** The config fields that decide the order of a multistep method. */
export interface MultistepConfig {
  readonly solverOrder: number;
  readonly lowerOrderFinal: boolean;
}

/** Runs at least this long keep their order in the last steps. */
const LONG_RUN = 15;

/**
 * The order of a multistep step that has `known` outputs, if `left` of `steps` steps are left. It is at most 3, lower in the first steps,
 * and lower in the last steps of a short run if the config says so.
 */
export function multistepOrder(left: number, known: number, steps: number, { solverOrder, lowerOrderFinal }: MultistepConfig): number {
  return Math.min(solverOrder, known, lowerOrderFinal && steps < LONG_RUN ? left : 3, 3);
}
