import type { Value } from "./graph.js";
import { add, affine, concat, matmul, reshape, slice, transpose } from "./ops.js";

/*
 * Fast convolution by Winograd's minimal filtering (Lavin & Gray 2015): a square of 4 x 4 results of a 3 x 3 kernel takes 36 multiplications a
 * channel, not 144. Every square of 6 x 6 pixels is evaluated at 6 x 6 points, multiplied there by the kernel's values, summed over the channels
 * by one matrix product for each point, and interpolated.
 */

/** Results on a side of a square. */
const TILE = 4;
/** Pixels on a side of the square they need, which is also the number of points. */
const WINDOW = 6;
const KERNEL = 3;
/** These points (and infinity) keep rounding errors 2.3 times smaller than the usual 0, 1, -1, 2, -2 (Barabasz et al. 2020 explain why). */
const POINTS = [0, 2 / 3, -2 / 3, 3 / 2, -3 / 2] as const;
/** Numbers that the transformed pixels of one band of rows may have: a larger picture is worked on band by band, to bound the memory. */
const LARGEST_BAND = 2 ** 24;

/** The 3 x 3 convolution of x [batch, channels, height, width], padded by 1, with a weight of the checkpoint [out, channels, 3, 3]. */
export function winogradConv(x: Value, weight: Value, bias: Value | undefined): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outChannels = 0] = weight.shape;
  const kernels = reshape(x.graph.prepared(weight, "winograd", evaluateKernels), [WINDOW ** 2, outChannels, channels]);
  const [rows, columns] = [Math.ceil(height / TILE), Math.ceil(width / TILE)];
  const perRow = WINDOW ** 2 * batch * Math.max(channels, outChannels) * columns;
  const rowsOfBand = Math.min(rows, Math.max(1, Math.floor(LARGEST_BAND / perRow)));
  const bands: Value[] = [];
  for (let row = 0; row < rows; row += rowsOfBand) {
    bands.push(convolveBand(x, kernels, row, Math.min(rows, row + rowsOfBand)));
  }
  const [first, ...rest] = bands as [Value, ...Value[]];
  const y = rest.length > 0 ? concat([first, ...rest], 2) : first;
  return bias ? add(y, reshape(bias, [outChannels, 1, 1])) : y;
}

/** Bytes that the evaluated kernels of a weight [out, channels, 3, 3] take. */
export function winogradBytes([outChannels = 0, channels = 0]: readonly number[]): number {
  return WINDOW ** 2 * outChannels * channels * 4;
}

/** The rows of squares from `from` to `to`: [batch, out, their pixels, width]. */
function convolveBand(x: Value, kernels: Value, from: number, to: number): Value {
  const { graph } = x;
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [, outChannels = 0] = kernels.shape;
  const [rows, columns] = [to - from, Math.ceil(width / TILE)];
  // One row of pixels above and one below belong to the windows; outside the picture they are padding.
  const [top, bottom] = [Math.max(0, from * TILE - 1), Math.min(height, to * TILE + 1)];
  const band = top === 0 && bottom === height ? x : slice(x, 2, top, bottom);
  const above = from === 0 ? 1 : 0;
  const below = rows * TILE + 2 - above - (bottom - top);
  const windows = graph.node("Conv", [reshape(band, [batch * channels, 1, bottom - top, width]), inputTransform(x)], {
    shape: [batch * channels, WINDOW ** 2, rows, columns],
    attributes: { kernel_shape: [WINDOW, WINDOW], strides: [TILE, TILE], pads: [above, 1, below, columns * TILE + 1 - width] },
  });
  const points = transpose(reshape(windows, [batch, channels, WINDOW ** 2, rows * columns]), [2, 1, 0, 3]);
  const products = matmul(kernels, reshape(points, [WINDOW ** 2, channels, -1]));
  const tiles = transpose(reshape(products, [WINDOW ** 2, outChannels, batch, rows * columns]), [2, 1, 0, 3]);
  const results = graph.node("Conv", [reshape(tiles, [batch * outChannels, WINDOW ** 2, rows, columns]), outputTransform(x)], {
    shape: [batch * outChannels, TILE ** 2, rows, columns],
    attributes: { kernel_shape: [1, 1] },
  });
  const pixels = graph.node("DepthToSpace", [results], {
    shape: [batch * outChannels, 1, rows * TILE, columns * TILE],
    attributes: { blocksize: TILE },
  });
  const y = reshape(pixels, [batch, outChannels, rows * TILE, columns * TILE]);
  return cropTo(y, Math.min(rows * TILE, height - from * TILE), width);
}

/** Squares at the right and lower edge may reach beyond the picture. */
function cropTo(y: Value, height: number, width: number): Value {
  const rows = y.shape[2] === height ? y : slice(y, 2, 0, height);
  return y.shape[3] === width ? rows : slice(rows, 3, 0, width);
}

/** The kernels' values at the points: [out, channels, 3, 3] to [36, out * channels]. */
function evaluateKernels(weight: Value): Value {
  const [outChannels = 0, channels = 0] = weight.shape;
  const evaluation = weight.graph.constant(inTwoDimensions(KERNEL_TRANSFORM), [WINDOW ** 2, KERNEL ** 2]);
  return affine(evaluation, reshape(weight, [outChannels * channels, KERNEL ** 2]));
}

function inputTransform({ graph }: Value): Value {
  return graph.constant(inTwoDimensions(INPUT_TRANSFORM), [WINDOW ** 2, 1, WINDOW, WINDOW]);
}

function outputTransform({ graph }: Value): Value {
  return graph.constant(inTwoDimensions(OUTPUT_TRANSFORM), [TILE ** 2, WINDOW ** 2, 1, 1]);
}

type Matrix = readonly (readonly number[])[];

/** The Toom-Cook construction's matrices; the last point is infinity, where a polynomial's value is its highest coefficient. */
const OUTPUT_TRANSFORM: Matrix = Array.from({ length: TILE }, (_, power) => [
  ...POINTS.map((point) => point ** power),
  power === TILE - 1 ? 1 : 0,
]);
const KERNEL_TRANSFORM: Matrix = [
  ...POINTS.map((point) => {
    const scale = others(point).reduce((product, other) => product * (point - other), 1);
    return [1 / scale, point / scale, point ** 2 / scale];
  }),
  [0, 0, 1],
];
const INPUT_TRANSFORM: Matrix = [...POINTS.map((point) => [...withRoots(others(point)), 0]), withRoots(POINTS)];

function others(point: number): number[] {
  return POINTS.filter((other) => other !== point);
}

/** Coefficients, lowest first, of the polynomial that is zero at `roots`. */
function withRoots(roots: readonly number[]): number[] {
  const times = (polynomial: readonly number[], root: number) =>
    Array.from({ length: polynomial.length + 1 }, (_, i) => (polynomial[i - 1] ?? 0) - root * (polynomial[i] ?? 0));
  return roots.reduce<number[]>(times, [1]);
}

/** The Kronecker product of a matrix with itself: the transform of rows, then of columns. */
function inTwoDimensions(matrix: Matrix): number[] {
  return matrix.flatMap((row) => matrix.flatMap((column) => row.flatMap((a) => column.map((b) => a * b))));
}
