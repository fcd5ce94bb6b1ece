/** A value that may change from step to step of a run. Steps count from 1. */
export interface PerStep<Value> {
  /** Whether the value is the same at every step. */
  readonly isConstant: boolean;
  at(step: number): Value;
}

/** A value that is the same at every step. */
export function constant<Value>(value: Value): PerStep<Value> {
  return { isConstant: true, at: () => value };
}

/** The result of `compute` for the values at a step. It is computed once if the values never change, otherwise at every call. */
export function derive<Value, Result>(values: readonly PerStep<Value>[], compute: (...values: Value[]) => Result): PerStep<Result> {
  const at = (step: number) => compute(...values.map((value) => value.at(step)));
  return values.every(({ isConstant }) => isConstant) ? constant(at(1)) : { isConstant: false, at };
}
