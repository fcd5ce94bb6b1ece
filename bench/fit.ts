/** A straight line through points. */
export interface Line {
  readonly intercept: number;
  readonly slope: number;
}

/** The line nearest to the points: the least squares of the vertical distances. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const slope = mean(points.map(([x, y]) => (x - meanX) * (y - meanY))) / mean(points.map(([x]) => (x - meanX) ** 2));
  return { intercept: meanY - slope * meanX, slope };
}

/** The exponent p of the power law y = c * x^p nearest to the points: the slope of the line through their logarithms. */
export function fitPower(points: readonly (readonly [x: number, y: number])[]): number {
  return fitLine(points.map(([x, y]) => [Math.log(x), Math.log(y)] as const)).slope;
}
