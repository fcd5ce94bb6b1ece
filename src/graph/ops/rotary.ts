import type { Value } from "../graph.js";
import { narrow } from "./precision.js";

/** The cosines and sines of a rotary embedding, inputs of the graph or constants. */
export interface RotaryValues {
  /** [positions, width / 2] for heads of `width` channels. */
  readonly cos: Value;
  readonly sin: Value;
}

/** How heads are rotated. */
export interface RotaryOptions {
  /** Whether neighbouring channels are a pair (complex numbers); else a channel of the first half and one of the second half are. */
  readonly interleaved: boolean;
  /** The row of the tables for each token: int64 [batch, tokens]. The token's own index by default. */
  readonly rows?: Value | undefined;
}

/**
 * Heads of x [batch, tokens, heads * width] with the channels of each pair rotated by the angle of the token's position (Su et al. 2021).
 */
export function rotate(x: Value, { cos, sin }: RotaryValues, { interleaved, rows }: RotaryOptions): Value {
  const { graph } = x;
  const input = narrow(x);
  const [cosines, sines] = [cos, sin].map((table) => graph.cast(table, input.dtype));
  return graph.node("RotaryEmbedding", [input, rows ?? graph.integers([0]), cosines, sines], {
    shape: x.shape,
    domain: "com.microsoft",
    attributes: { interleaved: interleaved ? 1 : 0 },
  });
}
