import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { add, shift as addNumber, mul } from "../graph/ops/elementwise.js";
import { reshape, split } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { linear } from "./basic.js";

// Adaptive layer norm (Peebles & Xie 2023, DiT): a picture's embedding of timestep and condition shifts, scales and gates its tokens.

/** Vectors [batch, 1, width] by which the tokens of each picture are modulated: `count` of them, from its embedding [batch, features]. */
export function modulations(embedding: Value, w: Scope, width: number, count: number): Value[] {
  const vectors = linear(silu(embedding), w, count * width);
  return split(reshape(vectors, [embedding.shape[0] ?? 1, 1, count * width]), 2, count);
}

/** x * (1 + scale) + shift, for x [batch, tokens, width], and shift and scale [batch, 1, width]. */
export function modulate(x: Value, shift: Value, scale: Value): Value {
  return add(mul(x, addNumber(scale, 1)), shift);
}

/** x + gate * branch: the residual connection of a modulated block. */
export function gated(x: Value, gate: Value, branch: Value): Value {
  return add(x, mul(gate, branch));
}
