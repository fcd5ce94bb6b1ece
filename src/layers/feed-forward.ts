import type { Value } from "../graph/graph.js";
import { gatedGelu, gelu, hasGatedGelu } from "../graph/ops/activations.js";
import { inTokenBlocks } from "../graph/ops/bands.js";
import { mul } from "../graph/ops/elementwise.js";
import type { Scope } from "../graph/scope.js";
import { ACTIVATIONS, type Activation, linear, linearRows } from "./basic.js";

/**
 * Two layers with a gated GELU between them (Shazeer 2020). The two halves of the first weight are read as two layers, which saves
 * splitting the product, unless the runtime has one operation for the gate.
 */
export function feedForward(input: Value, w: Scope): Value {
  const channels = input.shape.at(-1) ?? 0;
  const inner = 4 * channels;
  const projection = w.at("net", 0, "proj");
  return inTokenBlocks(input, inner, (x) => {
    if (hasGatedGelu(x, 2 * inner)) return linear(gatedGelu(linear(x, projection, 2 * inner)), w.at("net", 2), channels);
    const hidden = linearRows(x, projection, 2 * inner, [0, inner]);
    const gate = linearRows(x, projection, 2 * inner, [inner, 2 * inner]);
    return linear(mul(hidden, gelu(gate)), w.at("net", 2), channels);
  });
}

/** Two layers with an activation between them, the hidden one four times as wide: diffusers' FeedForward without a gate. */
export function plainFeedForward(input: Value, w: Scope, activation: Activation): Value {
  const channels = input.shape.at(-1) ?? 0;
  return inTokenBlocks(input, 4 * channels, (x) =>
    linear(ACTIVATIONS[activation](linear(x, w.at("net", 0, "proj"), 4 * channels)), w.at("net", 2), channels),
  );
}
