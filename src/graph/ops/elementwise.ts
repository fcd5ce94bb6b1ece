import type { NodeOptions, Value } from "../graph.js";
import { joinRows, takeRows } from "./bands.js";
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
  return x.graph.lowering.sine === "float64" ? wideSine(x, 0) : elementwise("Sin", [x]);
}

/** Cosine, exact for angles in the hundreds too. */
export function cos(x: Value): Value {
  return x.graph.lowering.sine === "float64" ? wideSine(x, Math.PI / 2) : elementwise("Cos", [x]);
}

/** The sine of x + `phase`, computed in float64. */
function wideSine(x: Value, phase: number): Value {
  const { graph } = x;
  const wide = graph.cast(x, "float64");
  const angle = phase === 0 ? wide : add(wide, graph.wideConstant(phase));
  return graph.cast(elementwise("Sin", [angle]), "float32");
}

/** An operation on each number, with NumPy broadcasting; band by band if a picture is in bands. */
export function elementwise(op: string, inputs: readonly [Value, ...Value[]], options: Omit<NodeOptions, "shape"> = {}): Value {
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
