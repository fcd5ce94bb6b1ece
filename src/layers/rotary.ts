import { Tensor } from "../tensor/tensor.js";

/** The cosines and sines of the positions of a sequence, which a graph takes as inputs: they depend on the size of the picture. */
export interface RotaryTables {
  /** [tokens, width / 2] */
  readonly cos: Tensor;
  /** [tokens, width / 2] */
  readonly sin: Tensor;
}

/** A rotary embedding of positions with several axes, such as frame, row and column. */
export interface RotaryAxes {
  /** Channels of a head for each axis; together the width of a head. */
  readonly axes: readonly number[];
  /** The base of the frequencies: `theta ** (-2 i / channels)`. */
  readonly theta: number;
  /** Whether frequencies and angles are rounded to float32, as transformers computes them; false by default. */
  readonly isSingle?: boolean;
}

/**
 * Tables for tokens at `positions`, each with a number for each axis. Angles are computed in float64, as in diffusers'
 * get_1d_rotary_pos_embed.
 */
export function rotaryTables(positions: readonly (readonly number[])[], { axes, theta, isSingle = false }: RotaryAxes): RotaryTables {
  const frequencies = axes.flatMap((channels, axis) =>
    Array.from({ length: channels / 2 }, (_, i) => ({ axis, frequency: frequencyOf(i, channels, theta, isSingle) })),
  );
  return tablesOf(positions, frequencies, isSingle);
}

/**
 * Tables for tokens at positions with several axes that share the frequencies of one: the first `sections[0]` frequencies turn by the first
 * axis, the next `sections[1]` by the second, and so on. Angles are rounded to float32. Matches the rotary embedding of Qwen2.5-VL (mrope).
 */
export function sectionedRotaryTables(
  positions: readonly (readonly number[])[],
  { sections, theta }: { readonly sections: readonly number[]; readonly theta: number },
): RotaryTables {
  const axisOf = sections.flatMap((count, axis) => Array.from({ length: count }, () => axis));
  const frequencies = axisOf.map((axis, i) => ({ axis, frequency: frequencyOf(i, 2 * axisOf.length, theta, true) }));
  return tablesOf(positions, frequencies, true);
}

/** The frequency of pair `i` of `channels` channels. */
function frequencyOf(i: number, channels: number, theta: number, isSingle: boolean): number {
  const rounded = isSingle ? Math.fround : (value: number) => value;
  return rounded(1 / rounded(theta ** rounded((2 * i) / channels)));
}

function tablesOf(
  positions: readonly (readonly number[])[],
  frequencies: readonly { readonly axis: number; readonly frequency: number }[],
  isSingle: boolean,
): RotaryTables {
  const half = frequencies.length;
  const [cos, sin] = [new Float32Array(positions.length * half), new Float32Array(positions.length * half)];
  for (const [token, position] of positions.entries()) {
    for (const [i, { axis, frequency }] of frequencies.entries()) {
      const exact = (position[axis] ?? 0) * frequency;
      const angle = isSingle ? Math.fround(exact) : exact;
      cos[token * half + i] = Math.cos(angle);
      sin[token * half + i] = Math.sin(angle);
    }
  }
  const shape = [positions.length, half];
  return { cos: Tensor.from(cos, shape), sin: Tensor.from(sin, shape) };
}
