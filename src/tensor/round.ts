/** The nearest whole number, ties to even: the rounding of IEEE 754, torch and Python. */
export function roundTiesToEven(value: number): number {
  const rounded = Math.round(value); // ties upwards
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
