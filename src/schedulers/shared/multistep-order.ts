/** What decides the order of a multistep method. */
export interface MultistepConfig {
  readonly solverOrder: number;
  readonly lowerOrderFinal: boolean;
}

/** Runs at least this long keep their order in the last steps. */
const LONG_RUN = 15;

/**
 * The order of a multistep method's step when `known` outputs are there for it and `left` of `steps` steps are still to be done: up to 3, lower
 * in the first steps, and in the last ones of a short run if the config says so.
 */
export function multistepOrder(left: number, known: number, steps: number, { solverOrder, lowerOrderFinal }: MultistepConfig): number {
  return Math.min(solverOrder, known, lowerOrderFinal && steps < LONG_RUN ? left : 3, 3);
}
