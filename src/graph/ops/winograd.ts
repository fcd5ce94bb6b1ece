import type { Graph, Value } from "../graph.js";
import { bandsOf, joinRows, takeRows } from "./bands.js";
import { add } from "./elementwise.js";
import { affine, matmul } from "./products.js";
import { concat, reshape, rows as rowsOf, slice, transpose } from "./shapes.js";

/*
 * Fast convolution by Winograd's minimal filtering (Lavin & Gray 2015): a square of 4 x 4 results of a 3 x 3 kernel takes 36
 * multiplications a channel instead of 144. The square's 6 x 6 input pixels and the kernel are each evaluated, as polynomials, at 6 x 6
 * points. At each point, one matrix product multiplies the values and sums them over the channels. The results are interpolated from these
 * sums.
 */

/** Results on a side of a square. */
const TILE = 4;
/** Input pixels on a side of a square. There are as many points. */
const WINDOW = 6;
const KERNEL = 3;
/**
 * With these points (and infinity) rounding errors are 2.3 times smaller than with the usual 0, 1, -1, 2, -2 (Barabasz et al. 2020 explain
 * why).
 */
const POINTS = [0, 2 / 3, -2 / 3, 3 / 2, -3 / 2] as const;
/** The most numbers in the evaluated kernels of a block of output channels, so that they fit the caches. */
const LARGEST_BLOCK = 2 ** 22;
/** The most squares of a row whose pixels are put in order by one product. */
const GROUP = 16;

/**
 * The 3 x 3 convolution of x [batch, channels, height, width], padded by 1, with a weight of the checkpoint [out, channels, 3, 3].
 * Every run evaluates the kernels. That takes a fortieth of the convolution's time; keeping them would take four times the weight's memory.
 */
export function winogradConv(x: Value, weight: Value, bias: Value | undefined): Value {
  const { graph } = x;
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [outChannels = 0] = weight.shape;
  const groups = Math.ceil(width / TILE / GROUP);
  const columns = groups * Math.ceil(width / TILE / groups);
  const blocks = parts(outChannels, LARGEST_BLOCK / (WINDOW ** 2 * channels)).map(([from, to]) =>
    evaluateKernels(rowsOf(weight, from, to)),
  );
  const transforms = transformsOf(graph, columns / groups);
  const offset = bias && reshape(bias, [outChannels, 1, 1]);
  const bands = bandsOf(graph, [batch, Math.max(channels, outChannels), height, width]).map(([from, to]) => {
    const squares = { batch, rows: Math.ceil((to - from) / TILE), columns, groups };
    const points = evaluateWindows(x, from, squares, transforms);
    const results = blocks.map((kernels) => interpolate(matmul(kernels, points), squares, transforms));
    const y = swapped(cropTo(concat(results as [Value, ...Value[]], 0), to - from, width));
    return offset ? add(y, offset) : y;
  });
  return joinRows(bands);
}

/** [a, b, height, width] as [b, a, height, width]. */
function swapped(x: Value): Value {
  const [a = 0, b = 0, ...sides] = x.shape;
  return a === 1 || b === 1 ? reshape(x, [b, a, ...sides]) : transpose(x, [1, 0, 2, 3]);
}

/** Ranges that divide `count` things into nearly equal parts of at most `most` (but at least one). */
function parts(count: number, most: number): (readonly [from: number, to: number])[] {
  const number = Math.ceil(count / Math.max(1, Math.floor(most)));
  const start = (i: number) => Math.floor((i * count) / number);
  return Array.from({ length: number }, (_, i) => [start(i), start(i + 1)]);
}

/** Squares of 4 x 4 pixels. */
interface Squares {
  /** Pictures. They come after the channels, so that the squares of a batch are like those of one larger picture. */
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** Groups of columns. */
  readonly groups: number;
}

/** The input pixels of `squares` below row `top` of x [batch, channels, height, width], evaluated: [36, channels, batch * squares]. */
function evaluateWindows(x: Value, top: number, { rows, columns }: Squares, { windows: transform }: Transforms): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  // The squares need one more row of pixels above and below. Outside the picture these are padding.
  const [first, last] = [Math.max(0, top - 1), Math.min(height, top + rows * TILE + 1)];
  const above = top === 0 ? 1 : 0;
  const below = rows * TILE + 2 - above - (last - first);
  const pictures = reshape(swapped(takeRows(x, first, last)), [channels * batch, 1, last - first, width]);
  const windows = x.graph.node("Conv", [pictures, transform], {
    shape: [channels * batch, WINDOW ** 2, rows, columns],
    attributes: { kernel_shape: [WINDOW, WINDOW], strides: [TILE, TILE], pads: [above, 1, below, columns * TILE + 1 - width] },
  });
  return reshape(transpose(windows, [1, 0, 2, 3]), [WINDOW ** 2, channels, -1]);
}

/** The kernels [out, channels, 3, 3] evaluated at the points: [36, out, channels]. */
function evaluateKernels(weight: Value): Value {
  const [outChannels = 0, channels = 0] = weight.shape;
  const { graph } = weight;
  const transform = graph.once("Winograd kernels", () => graph.constant(inTwoDimensions(KERNEL_TRANSFORM), [WINDOW ** 2, KERNEL ** 2]));
  return reshape(affine(transform, reshape(weight, [outChannels * channels, KERNEL ** 2])), [WINDOW ** 2, outChannels, channels]);
}

/** The results [out, batch, rows * 4, columns * 4], interpolated from their values at the points [36, out, batch * squares]. */
function interpolate(products: Value, { batch, rows, columns, groups }: Squares, transforms: Transforms): Value {
  const [, outChannels = 0] = products.shape;
  const results = matmul(transforms.results, reshape(products, [WINDOW ** 2, -1]));
  const perGroup = columns / groups;
  // First the rows are put in order. In a row, each group has the first pixels of its squares, then their second ones, and so on.
  const bySquare = reshape(results, [TILE, TILE, outChannels * batch, rows, ...(groups === 1 ? [] : [groups]), perGroup]);
  const phases = transpose(bySquare, groups === 1 ? [2, 3, 0, 1, 4] : [2, 3, 0, 4, 1, 5]);
  // Then the pixels within each row of a group. A matrix product permutes faster than a transposition.
  const pixels = matmul(reshape(phases, [-1, TILE * perGroup]), transforms.order);
  return reshape(pixels, [outChannels, batch, rows * TILE, columns * TILE]);
}

/** Matrices that all bands of a convolution are transformed with. */
interface Transforms {
  readonly windows: Value;
  readonly results: Value;
  /** Puts the pixels of a group's row in order. */
  readonly order: Value;
}

// Kept by names: comparing their numbers for each convolution took a third of the time in which a UNet's graph is written.
function transformsOf(graph: Graph, perGroup: number): Transforms {
  return {
    windows: graph.once("Winograd windows", () => graph.constant(inTwoDimensions(INPUT_TRANSFORM), [WINDOW ** 2, 1, WINDOW, WINDOW])),
    results: graph.once("Winograd results", () => graph.constant(inTwoDimensions(OUTPUT_TRANSFORM), [TILE ** 2, WINDOW ** 2])),
    order: graph.once(`Winograd order ${perGroup}`, () => graph.constant(orderOf(perGroup), [TILE * perGroup, TILE * perGroup])),
  };
}

/** The matrix that puts the pixels of a group's row in order. */
function orderOf(perGroup: number): Float32Array {
  const order = new Float32Array((TILE * perGroup) ** 2);
  for (let square = 0; square < perGroup; square++)
    for (let i = 0; i < TILE; i++) order[(i * perGroup + square) * TILE * perGroup + square * TILE + i] = 1;
  return order;
}

/** The results without those of squares that reach beyond the right and lower edge. */
function cropTo(y: Value, height: number, width: number): Value {
  return slice(slice(y, 2, 0, height), 3, 0, width);
}

type Matrix = readonly (readonly number[])[];

/** The matrices of the Toom-Cook construction. The last point is infinity: there a polynomial's value is its highest coefficient. */
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
