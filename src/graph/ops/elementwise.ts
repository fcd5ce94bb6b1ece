import type { NodeOptions, Value } from "../graph.js";
import { joinRows, takeRows } from "./bands.js";
import { broadcastLast, fromChannelsLast } from "./channels-last.js";
import { alike } from "./precision.js";
import { broadcast, extent, repeatBatch } from "./shapes.js";

/** Element-wise sum with NumPy broadcasting. */
export function add(a: Value, b: Value): Value {
  return elementwise("Add", [a, b]);
}

/** Element-wise difference with broadcasting. */
export function sub(a: Value, b: Value): Value {
  return elementwise("Sub", [a, b]);
}

/** Element-wise product with broadcasting. */
export function mul(a: Value, b: Value): Value {
  return elementwise("Mul", [a, b]);
}

/** Element-wise quotient with broadcasting. */
export function div(a: Value, b: Value): Value {
  return elementwise("Div", [a, b]);
}

/** Every number times a constant. */
export function scale(x: Value, factor: number): Value {
  return factor === 1 ? x : mul(x, x.graph.constant([factor], [], x.dtype));
}

/** Every number plus a constant. */
export function shift(x: Value, amount: number): Value {
  return add(x, x.graph.constant([amount], [], x.dtype));
}

/** The sum of a [n, ...] and b [m, ...]. The one with the smaller batch is repeated. */
export function addBatches(a: Value, b: Value): Value {
  const batch = Math.max(extent(a, 0), extent(b, 0));
  return add(repeatBatch(a, batch), repeatBatch(b, batch));
}

/** Every number limited to `low..high`. */
export function clip(x: Value, low: number, high: number): Value {
  const limit = (value: number) => x.graph.constant([value], [], x.dtype);
  return x.graph.node("Clip", [x, limit(low), limit(high)], { shape: x.shape });
}

/** Natural logarithm. */
export function log(x: Value): Value {
  return elementwise("Log", [x]);
}

/** Sine, exact for angles in the hundreds too. */
export function sin(x: Value): Value {
  return x.graph.lowering.sine === "polynomial" ? polynomialSine(x, 0) : elementwise("Sin", [x]);
}

/** Cosine, exact for angles in the hundreds too. */
export function cos(x: Value): Value {
  return x.graph.lowering.sine === "polynomial" ? polynomialSine(x, 1) : elementwise("Cos", [x]);
}

/** Pi in three parts (Cephes, sinf.c). The first two have few bits, so that their products with whole numbers are exact. */
const PI = [3.140625, 9.675025939941406e-4, 1.509957990978376e-7];
/** sin(r) / r as a polynomial of r * r, for r from -pi / 2 to pi / 2, within 1e-8 (a least-squares fit at Chebyshev's points). */
const SINE = [1, -1.66666666e-1, 8.33333097e-3, -1.984086e-4, 2.75252067e-6, -2.38880505e-8];

/**
 * The sine of x + `halfTurns` * pi / 2, within 2e-7 for angles up to 5000. With m = floor(x / pi + 1 / 2 + halfTurns / 2) and
 * r = x - (m - halfTurns / 2) * pi, it is sin(r) if m is even, else -sin(r).
 */
function polynomialSine(x: Value, halfTurns: 0 | 1): Value {
  const floor = (value: Value) => elementwise("Floor", [value]);
  const m = floor(shift(scale(x, 1 / Math.PI), (1 + halfTurns) / 2));
  const turns = halfTurns === 0 ? m : shift(m, -1 / 2);
  const r = PI.reduce((rest, part) => sub(rest, scale(turns, part)), x);
  const square = mul(r, r);
  const [last = 0, next = 0, ...rest] = SINE.toReversed();
  const polynomial = rest.reduce((sum, factor) => shift(mul(sum, square), factor), shift(scale(square, last), next));
  const odd = sub(m, scale(floor(scale(m, 1 / 2)), 2));
  const sign = shift(scale(odd, -2), 1);
  return mul(mul(r, polynomial), sign);
}

/** An operation on each number, with NumPy broadcasting; band by band if a picture is in bands. */
export function elementwise(op: string, inputs: readonly [Value, ...Value[]], options: Omit<NodeOptions, "shape"> = {}): Value {
  const last = broadcastLast(inputs);
  if (last) return fromChannelsLast(elementwise(op, last as [Value, ...Value[]], options));
  const bands = inputs.find((input) => input.bands)?.bands;
  if (!bands) return inputs[0].graph.node(op, alike(inputs), { ...options, shape: inputs.map(({ shape }) => shape).reduce(broadcast) });
  let end = 0;
  return joinRows(
    bands.map(({ shape }) => {
      const start = end;
      end += shape[2] ?? 0;
      const parts = inputs.map((input) => ((input.shape.at(-2) ?? 1) === 1 ? input : takeRows(input, start, end)));
      return elementwise(op, parts as [Value, ...Value[]], options);
    }),
  );
}
