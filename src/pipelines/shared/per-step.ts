/** A value that may differ from step to step of a run; steps count from 1. */
export interface PerStep<Value> {
  /** Whether it is the same at every step. */
  readonly isConstant: boolean;
  at(step: number): Value;
}

/** A value that is the same at every step. */
export function constant<Value>(value: Value): PerStep<Value> {
  return { isConstant: true, at: () => value };
}

/** What `compute` makes of the values at a step: once if they never change, else whenever it is asked for. */
export function derive<Value, Result>(values: readonly PerStep<Value>[], compute: (...values: Value[]) => Result): PerStep<Result> {
  const at = (step: number) => compute(...values.map((value) => value.at(step)));
  return values.every(({ isConstant }) => isConstant) ? constant(at(1)) : { isConstant: false, at };
}
