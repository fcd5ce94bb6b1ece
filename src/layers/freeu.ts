import type { Value } from "../graph/graph.js";
import { add, mul, scale } from "../graph/ops/elementwise.js";
import { widen } from "../graph/ops/precision.js";
import { matmul } from "../graph/ops/products.js";
import { reshape, transpose } from "../graph/ops/shapes.js";

/** The factors of FreeU for one up block. */
export interface FreeUBlock {
  /** Factor of the skip's lowest frequencies. */
  readonly skip: number;
  /** Factor of the first half of the backbone's channels. */
  readonly backbone: number;
}

/** x [batch, channels, height, width] with the first half of its channels, rounded down, times `factor`. */
export function amplifiedHalf(x: Value, factor: number): Value {
  const channels = x.shape[1] ?? 0;
  const factors = Array.from({ length: channels }, (_, i) => (i < Math.floor(channels / 2) ? factor : 1));
  return mul(x, x.graph.constant(factors, [1, channels, 1, 1]));
}

/**
 * x [batch, channels, height, width] with its lowest frequencies, 0 and -1 along each side, times `factor` (Si et al. 2023, FreeU). Matches
 * diffusers' fourier_filter with a threshold of 1.
 *
 * Only 2 x 2 frequencies change, so there is no need for a whole Fourier transform: x is multiplied by 1, cosine and sine along each side,
 * which gives 3 x 3 numbers; these make the low part of x again.
 */
export function filteredLow(x: Value, factor: number): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const { graph } = x;
  const [tall, wide] = [waves(height), waves(width)];
  const basis = (rows: readonly (readonly number[])[], divisor: number) =>
    graph.constant(
      transposed(rows).flatMap((row) => row.map((value) => value / divisor)),
      [rows[0]?.length ?? 0, 3],
    );
  const alongRows = transpose(matmul(widen(x), basis(wide, width)), [0, 1, 3, 2]);
  const sums = reshape(matmul(alongRows, basis(tall, height)), [batch, channels, 9]);
  const parts = reshape(matmul(sums, graph.constant(REAL_PART.flat(), [9, 9])), [batch, channels, 3, 3]);
  const columns = transpose(matmul(parts, graph.constant(tall.flat(), [3, height])), [0, 1, 3, 2]);
  const low = matmul(columns, graph.constant(wide.flat(), [3, width]));
  return add(x, scale(low, factor - 1));
}

/** 1, cosine and sine of the frequency 1 over `length` pixels. A side of one pixel has only the frequency 0. */
function waves(length: number): readonly (readonly number[])[] {
  const angles = Array.from({ length }, (_, i) => (2 * Math.PI * i) / length);
  const isAlone = length === 1;
  return [
    angles.map(() => 1),
    angles.map((angle) => (isAlone ? 0 : Math.cos(angle))),
    angles.map((angle) => (isAlone ? 0 : Math.sin(angle))),
  ];
}

function transposed(rows: readonly (readonly number[])[]): readonly (readonly number[])[] {
  return (rows[0] ?? []).map((_, i) => rows.map((row) => row[i] as number));
}

/**
 * From the products of x with the waves (1, cos, sin) of both sides to the coefficients of the waves in the real part of the inverse
 * transform. With e = cos - i sin, the frequencies (-1, -1) give Re(e e' (cc - ss + i (cs + sc))), the others keep their products.
 */
const REAL_PART: readonly (readonly number[])[] = (() => {
  const matrix = Array.from({ length: 9 }, (_, i) => Array.from({ length: 9 }, (_, j) => (i === j ? 1 : 0)));
  const [cc, cs, sc, ss] = [4, 5, 7, 8];
  const set = (from: number, to: number, value: number) => {
    (matrix[from] as number[])[to] = value;
  };
  set(ss, cc, -1);
  set(cc, ss, -1);
  set(sc, cs, 1);
  set(cs, sc, 1);
  return matrix;
})();
