import { Generator, randn } from "../../tensor/random.js";
import { Tensor } from "../../tensor/tensor.js";

/**
 * How colours depend on latents, about: red, green and blue are sums of the latents' channels. It makes previews that cost next to nothing.
 */
export interface LatentColours {
  /** For each channel its share in red, green and blue; at last the colour of latents that are 0. */
  readonly rows: readonly (readonly number[])[];
}

/** Latents that are decoded to find out the colours: so many along each side, in squares of the same value. */
const SIDE = 32;
const SQUARE = 2;
/** Keeps the equations solvable. It is small against the squares of 256 normal numbers. */
const RIDGE = 1;

/**
 * Measures an autoencoder's colours: decodes noise that is smooth enough to have colours, and fits them by least squares. `decode` makes
 * pictures [1, 3, height, width] in 0..1 of latents.
 */
export async function measureColours(channels: number, decode: (latents: Tensor) => Promise<Tensor>): Promise<LatentColours> {
  const squares = SIDE / SQUARE;
  const values = randn([channels, squares, squares], new Generator(0)).data;
  const latents = new Float32Array(channels * SIDE * SIDE);
  for (let i = 0; i < latents.length; i++) {
    const [channel, row, column] = [Math.floor(i / SIDE ** 2), Math.floor(i / SIDE) % SIDE, i % SIDE];
    latents[i] = values[channel * squares ** 2 + Math.floor(row / SQUARE) * squares + Math.floor(column / SQUARE)] ?? 0;
  }
  const colours = means(await decode(Tensor.from(latents, [1, channels, SIDE, SIDE])), squares);
  const samples = Array.from({ length: squares ** 2 }, (_, square) => [
    ...Array.from({ length: channels }, (_, channel) => values[channel * squares ** 2 + square] ?? 0),
    1,
  ]);
  const products = samples[0]?.map((_, i) =>
    samples[0]?.map((_, j) => samples.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0)),
  );
  const matrix = (products as number[][]).map((row, i) => row.map((value, j) => value + (i === j ? RIDGE : 0)));
  const sides = matrix.map((_, i) =>
    [0, 1, 2].map((c) => samples.reduce((sum, row, n) => sum + (row[i] ?? 0) * (colours[n]?.[c] ?? 0), 0)),
  );
  return { rows: solved(matrix, sides) };
}

/** Pictures [batch, 3, height, width] in 0..1 of latents [batch, channels, height, width], a pixel for each latent. */
export function colouredLatents({ shape, data }: Tensor, { rows }: LatentColours): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  const plane = height * width;
  const pixels = new Float32Array(batch * 3 * plane);
  for (let picture = 0; picture < batch; picture++) {
    for (let colour = 0; colour < 3; colour++) {
      const out = pixels.subarray((picture * 3 + colour) * plane, (picture * 3 + colour + 1) * plane).fill(rows[channels]?.[colour] ?? 0);
      for (let channel = 0; channel < channels; channel++) {
        const share = rows[channel]?.[colour] ?? 0;
        const start = (picture * channels + channel) * plane;
        for (let i = 0; i < plane; i++) out[i] = (out[i] ?? 0) + share * (data[start + i] ?? 0);
      }
    }
  }
  return Tensor.from(pixels, [batch, 3, height, width]).clamp(0, 1);
}

/** The mean colour of each of `count` x `count` squares of a picture. */
function means({ shape, data }: Tensor, count: number): number[][] {
  const [, , height = 0, width = 0] = shape;
  const sums = Array.from({ length: count ** 2 }, () => [0, 0, 0]);
  const pixels = (height / count) * (width / count);
  for (let i = 0; i < 3 * height * width; i++) {
    const [colour, row, column] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const square = sums[Math.floor((row * count) / height) * count + Math.floor((column * count) / width)] as number[];
    square[colour] = (square[colour] ?? 0) + (data[i] ?? 0) / pixels;
  }
  return sums;
}

/** The solution of a system of linear equations with a positive definite matrix, for several right sides (Gauss's elimination). */
function solved(matrix: readonly (readonly number[])[], sides: readonly (readonly number[])[]): number[][] {
  const rows = matrix.map((row, i) => [...row, ...(sides[i] ?? [])]);
  const count = rows.length;
  for (const [i, pivot] of rows.entries()) {
    const factor = pivot[i] as number;
    for (const [k, value] of pivot.entries()) pivot[k] = value / factor;
    for (const [j, row] of rows.entries()) {
      const share = row[i] ?? 0;
      if (j === i || share === 0) continue;
      for (const [k, value] of pivot.entries()) row[k] = (row[k] ?? 0) - share * value;
    }
  }
  return rows.map((row) => row.slice(count));
}
