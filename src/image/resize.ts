import { ArgumentError } from "../errors.js";
import { checkOptions, expectField } from "../options/check-options.js";
import { type Fields, field, oneOf, whole } from "../options/fields.js";
import { type AnyPicture, channelsOf, expectPicture, pictureLike } from "./gray-picture.js";

/** A rectangle of a picture. Like in PIL, `right` and `bottom` are the first positions outside it. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** How far a filter reaches on each side, and its weight at a distance. */
interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

/** PIL's filters. */
export const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  hamming: {
    support: 1,
    weight: (x) => {
      if (x === 0) return 1;
      if (Math.abs(x) >= 1) return 0;
      return sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x));
    },
  },
  bicubic: {
    support: 2,
    weight: (distance) => {
      const a = -0.5;
      const x = Math.abs(distance);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} satisfies Readonly<Record<string, Filter>>;

/** PIL's resizing filters. */
export type Resampling = keyof typeof FILTERS | "nearest";

/** PIL's resizing filters, by diffusers' names. */
export const RESAMPLINGS: readonly Resampling[] = ["nearest", ...(Object.keys(FILTERS) as (keyof typeof FILTERS)[])];

/** PIL's resizing filters by their numbers. */
export const RESAMPLINGS_BY_NUMBER: readonly Resampling[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/** Options of {@link resize}. */
export interface ResizeOptions {
  /** Bicubic by default, as in PIL. */
  readonly resampling?: Resampling | undefined;
  /** The part of the picture that is resized; all of it by default. It may have no area: an edge, stretched. */
  readonly box?: Box | undefined;
  /**
   * Whose arithmetic is used: PIL's, the default, or torch's `interpolate` for bytes with antialiasing, which has coarser weights. They
   * differ by 1 in few pixels.
   */
  readonly arithmetic?: "pil" | "torch" | undefined;
}

const SIDE = whole(1);

const RESIZE_FIELDS: Fields<ResizeOptions> = {
  resampling: oneOf(...RESAMPLINGS),
  box: field<Box>(
    (value) => Array.isArray(value) && value.length === 4 && value.every(Number.isFinite),
    "four numbers: left, top, right, bottom",
  ),
  arithmetic: oneOf("pil", "torch"),
};

/**
 * The picture in another size, bit for bit as by PIL's `Image.resize`: two passes in fixed point, with a wider filter for smaller pictures.
 * @throws ArgumentError for a size that is not two whole numbers of at least 1, or a box outside the picture.
 */
export function resize<P extends AnyPicture>(picture: P, width: number, height: number, options: ResizeOptions = {}): P {
  expectPicture(picture);
  const {
    resampling = "bicubic",
    box = [0, 0, picture.width, picture.height],
    arithmetic = "pil",
  } = checkOptions(options, RESIZE_FIELDS, { call: "resize" });
  const [left, top, right, bottom] = box;
  expectField("width", width, SIDE);
  expectField("height", height, SIDE);
  if (!(0 <= left && left <= right && right <= picture.width && 0 <= top && top <= bottom && bottom <= picture.height)) {
    throw new ArgumentError(`the box ${box.join(", ")} is outside a picture of ${picture.width}x${picture.height}`);
  }
  if (resampling === "nearest") return resizeNearest(picture, width, height, box);
  const channels = channelsOf(picture);
  const isTorch = arithmetic === "torch";
  const columns = weights(picture.width, left, right, width, FILTERS[resampling], isTorch);
  const rows = weights(picture.height, top, bottom, height, FILTERS[resampling], isTorch);
  const isWide = width !== picture.width || left !== 0 || right !== width;
  const isHigh = height !== picture.height || top !== 0 || bottom !== height;
  const across = (data: Uint8Array, outer: number) =>
    isWide ? pass(data, { outer, from: picture.width, along: width, inner: channels }, columns, 0) : data;
  const down = (data: Uint8Array, inner: number, from: number, firstRow: number) =>
    isHigh ? pass(data, { outer: 1, from, along: height, inner: inner * channels }, rows, firstRow) : data;
  // The passes round, so that their order matters: Pillow 13 begins with the vertical pass if it drops far more pixels.
  const removed = picture.height - height;
  if (!isTorch && removed > 0 && removed > 2 * (picture.width - width)) {
    return pictureLike(picture, width, height, across(down(picture.data, picture.width, picture.height, 0), height));
  }
  // The horizontal pass only computes rows that the vertical pass reads.
  const firstRow = isHigh ? (rows.starts[0] as number) : 0;
  const endRow = isHigh ? (rows.starts[height - 1] as number) + (rows.counts[height - 1] as number) : height;
  const stride = picture.width * channels;
  const wide = across(picture.data.slice(firstRow * stride, endRow * stride), endRow - firstRow);
  return pictureLike(picture, width, height, down(wide, width, endRow - firstRow, firstRow));
}

/** The source pixels of every result along one axis, and their weights in units of 2^-bits. */
interface Weights {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly values: Int32Array;
  /** The most weights of a result. */
  readonly room: number;
  readonly bits: number;
}

// 8 bits for the value and 2 for sums beyond it leave 22 of 32 for the fraction; see Pillow's Resample.c.
const PRECISION_BITS = 22;

/** The most bits of torch's weights, with their sign. */
const TORCH_BITS = 16;

/** The bits of the fraction that torch gives to weights of 16 bits; see its UpSampleKernel. */
function torchPrecision(largest: number): number {
  let bits = 0;
  while (bits < PRECISION_BITS && Math.trunc(0.5 + largest * 2 ** (bits + 1)) < 2 ** (TORCH_BITS - 1)) bits++;
  return bits;
}

function weights(size: number, start: number, end: number, outSize: number, filter: Filter, isTorch: boolean): Weights {
  const { starts, counts, exact, room } = exactWeights(size, start, end, outSize, filter);
  const bits = isTorch ? torchPrecision(exact.reduce((most, value) => Math.max(most, value), 0)) : PRECISION_BITS;
  const values = Int32Array.from(exact, (value) => Math.trunc(value * 2 ** bits + (value < 0 ? -0.5 : 0.5)));
  return { starts, counts, values, room, bits };
}

/** The source pixels of every result along one axis, and their weights, whose sum is 1. */
interface ExactWeights extends Omit<Weights, "values" | "bits"> {
  readonly exact: Float64Array;
}

/** The weights of `filter` for the part from `start` to `end` of `size` pixels, as PIL and torch's antialiasing compute them. */
export function exactWeights(size: number, start: number, end: number, outSize: number, { support, weight }: Filter): ExactWeights {
  const scale = (end - start) / outSize;
  const widening = Math.max(scale, 1);
  const reach = support * widening;
  const room = Math.ceil(reach) * 2 + 1;
  const starts = new Int32Array(outSize);
  const counts = new Int32Array(outSize);
  const exact = new Float64Array(outSize * room);
  // Pillow multiplies by the inverse; dividing would round differently.
  const narrowing = 1 / widening;
  for (let i = 0; i < outSize; i++) {
    const center = start + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - reach + 0.5), 0);
    const count = Math.min(Math.trunc(center + reach + 0.5), size) - first;
    let sum = 0;
    for (let j = 0; j < count; j++) {
      const value = weight((j + first - center + 0.5) * narrowing);
      exact[i * room + j] = value;
      sum += value;
    }
    for (let j = i * room; sum !== 0 && j < i * room + count; j++) exact[j] = (exact[j] as number) / sum;
    starts[i] = first;
    counts[i] = count;
  }
  return { starts, counts, exact, room };
}

/** An array seen as [outer, from, inner], with the middle axis resampled to `along`. */
interface Axis {
  readonly outer: number;
  readonly from: number;
  readonly along: number;
  readonly inner: number;
}

function pass(
  data: Uint8Array,
  { outer, from, along, inner }: Axis,
  { starts, counts, values, room, bits }: Weights,
  offset: number,
): Uint8Array {
  // A clamped array clips as Pillow's clip8 does.
  const result = new Uint8ClampedArray(outer * along * inner);
  let at = 0;
  for (let row = 0; row < outer; row++) {
    for (let i = 0; i < along; i++) {
      const start = (row * from + (starts[i] as number) - offset) * inner;
      const count = counts[i] as number;
      const first = i * room;
      for (let k = 0; k < inner; k++) {
        let sum = 1 << (bits - 1);
        for (let j = 0; j < count; j++) sum += (data[start + j * inner + k] as number) * (values[first + j] as number);
        result[at++] = sum >> bits;
      }
    }
  }
  return new Uint8Array(result.buffer);
}

function resizeNearest<P extends AnyPicture>(picture: P, width: number, height: number, [left, top, right, bottom]: Box): P {
  const channels = channelsOf(picture);
  const columns = nearest(left, right, width);
  const rows = nearest(top, bottom, height);
  const data = new Uint8Array(width * height * channels);
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * picture.width + column) * channels;
      for (let k = 0; k < channels; k++) data[at++] = picture.data[from + k] ?? 0;
    }
  }
  return pictureLike(picture, width, height, data);
}

/** The source pixel of every result. Pillow adds up the step, so that its rounding errors add up, too. */
function nearest(start: number, end: number, size: number): Int32Array {
  const step = (end - start) / size;
  const places = new Int32Array(size);
  let position = start + step * 0.5;
  for (let i = 0; i < size; i++) {
    places[i] = Math.trunc(position);
    position += step;
  }
  return places;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
