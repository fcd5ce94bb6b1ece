import { Tensor } from "../tensor/tensor.js";
import { crop } from "./tiling.js";

/** How a picture is cut into tiles, in its own pixels. */
export interface UpscaleTiles {
  /** Side of a tile. */
  readonly tile: number;
  /** Pixels that neighbours share, at least. */
  readonly overlap: number;
  /** Tiles start at multiples of it. Both sides of the picture are multiples of it. */
  readonly multiple: number;
  /** Result pixels for each pixel, along a side. */
  readonly scale: number;
}

/**
 * `fn` of overlapping tiles of x [batch, channels, height, width]. Neighbours fade into each other over the overlap, linearly. All tiles
 * have the same size, so that one graph serves for all.
 */
export async function upscaledTiles(x: Tensor, sizes: UpscaleTiles, fn: (tile: Tensor) => Promise<Tensor>): Promise<Tensor> {
  const { overlap, multiple, scale } = sizes;
  const tile = Math.max(multiple, sizes.tile - (sizes.tile % multiple));
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (height <= tile && width <= tile) return fn(x);
  const step = Math.max(multiple, tile - overlap - ((tile - overlap) % multiple));
  const [rows, columns] = [spans(height, tile, step), spans(width, tile, step)];
  const [outHeight, outWidth] = [height * scale, width * scale];
  const sums = new Float32Array(batch * channels * outHeight * outWidth);
  const totals = new Float32Array(outHeight * outWidth);
  for (const top of rows) {
    const down = shares(top, Math.min(tile, height), height, overlap, scale);
    for (const left of columns) {
      const across = shares(left, Math.min(tile, width), width, overlap, scale);
      const { data } = await fn(crop(x, top, left, tile));
      for (const [y, share] of down.entries()) {
        const line = (top * scale + y) * outWidth + left * scale;
        for (let z = 0; z < across.length; z++) (totals[line + z] as number) += share * (across[z] as number);
        for (let plane = 0; plane < batch * channels; plane++) {
          const to = plane * outHeight * outWidth + line;
          const from = (plane * down.length + y) * across.length;
          for (let z = 0; z < across.length; z++) (sums[to + z] as number) += share * (across[z] as number) * (data[from + z] as number);
        }
      }
    }
  }
  return new Tensor(
    "float32",
    [batch, channels, outHeight, outWidth],
    sums.map((sum, i) => sum / (totals[i % totals.length] as number)),
  );
}

/** Where the tiles begin. The last one ends with the picture. */
function spans(extent: number, tile: number, step: number): number[] {
  const starts: number[] = [];
  for (let start = 0; start + tile < extent; start += step) starts.push(start);
  return [...starts, Math.max(0, extent - tile)];
}

/** The share of each row or column of a tile's result: less towards the edges that have a neighbour. */
function shares(start: number, size: number, extent: number, overlap: number, scale: number): Float32Array {
  const ramp = Math.max(1, overlap * scale);
  const rise = (distance: number) => Math.min(1, (distance + 0.5) / ramp);
  return Float32Array.from({ length: size * scale }, (_, i) => {
    const left = start > 0 ? rise(i) : 1;
    const right = start + size < extent ? rise(size * scale - 1 - i) : 1;
    return overlap === 0 ? 1 : left * right;
  });
}
