import type { Value } from "../graph.js";

/*
 * In a half-precision graph, products with weights (linear layers, convolutions, attention) narrow their inputs, and where narrow meets
 * wide the result is narrow. So a network is in half precision from its first layer on. What comes before, such as the sines of timesteps,
 * stays in float32.
 */

/** x in the precision its graph computes in. */
export function narrow(x: Value): Value {
  return x.graph.cast(x, x.graph.float);
}

/** x in float32. */
export function widen(x: Value): Value {
  return x.graph.cast(x, "float32");
}

/** Values of one dtype: all narrow if one is. */
export function alike(values: readonly Value[]): readonly Value[] {
  return values.some(({ dtype }) => dtype === "float16") ? values.map(narrow) : values;
}
