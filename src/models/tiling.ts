import { ConfigError } from "../errors.js";
import { concat, Tensor } from "../tensor/tensor.js";

/** Ways in which an autoencoder saves memory: the pictures of a batch one by one, large pictures tile by tile. */
export class MemorySaving {
  /** Whether pictures that are larger than those of the training are computed in overlapping tiles. */
  tiling = false;

  constructor(
    /** Whether the pictures of a batch are computed one by one. */
    public slicing = false,
  ) {}

  /** `fn` of the batch [n, channels, height, width], or with slicing of each picture. */
  async perPicture(batch: Tensor, fn: (pictures: Tensor) => Promise<Tensor>): Promise<Tensor> {
    const count = batch.shape[0] ?? 0;
    if (!this.slicing || count < 2) return fn(batch);
    const results: Tensor[] = [];
    for (const picture of batch.chunk(count)) results.push(await fn(picture));
    return concat(results);
  }
}

/** A tile of the input, which begins at `top`, `left`. */
interface Tile {
  readonly row: number;
  readonly column: number;
  readonly top: number;
  readonly left: number;
  readonly input: Tensor;
}

/** The sizes of a tiled computation, along both sides. */
export interface TileSizes {
  /** Side of an input tile. */
  readonly size: number;
  /** Distance between the starts of two neighbouring tiles. */
  readonly stride: number;
}

/**
 * `fn` of overlapping tiles of x [batch, channels, height, width]. Each result is blended with the one above and the one to its left over
 * `blend` pixels. Then the first `keep` rows and columns of each are joined. Matches AutoencoderKL's tiled_encode and tiled_decode in
 * diffusers.
 */
export async function blendedTiles(
  x: Tensor,
  { size, stride, blend, keep }: TileSizes & { readonly blend: number; readonly keep: number },
  fn: (tile: Tensor) => Promise<Tensor>,
): Promise<Tensor> {
  const rows: Tensor[][] = [];
  for (const { row, column, result } of await eachTile(x, { size, stride }, fn)) {
    rows[row] ??= [];
    (rows[row] as Tensor[])[column] = result;
  }
  for (const [i, row] of rows.entries()) {
    for (const [j, tile] of row.entries()) {
      const [above, before] = [rows[i - 1]?.[j], row[j - 1]];
      if (above) blendEdge(above, tile, 2, blend);
      if (before) blendEdge(before, tile, 3, blend);
    }
  }
  const kept = rows.map((row) =>
    concat(
      row.map((tile) => crop(tile, 0, 0, keep)),
      3,
    ),
  );
  return concat(kept, 2);
}

/**
 * `fn` of overlapping tiles. Each result is laid over those before it, and fades in over `blend` pixels at its upper and left edge. Matches
 * AutoencoderTiny's tiling in diffusers.
 * @param ratio output pixels for each input pixel.
 */
export async function layeredTiles(
  x: Tensor,
  { size, stride, blend, ratio }: TileSizes & { readonly blend: number; readonly ratio: number },
  fn: (tile: Tensor) => Promise<Tensor>,
): Promise<Tensor> {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const [fullHeight, fullWidth] = [height * ratio, width * ratio];
  const tiles = await eachTile(x, { size, stride }, fn);
  const channels = tiles[0]?.result.shape[1] ?? 0;
  const out = new Float32Array(batch * channels * fullHeight * fullWidth);
  for (const { top, left, result } of tiles) {
    const [, , tileHeight = 0, tileWidth = 0] = result.shape;
    const slope = (start: number, i: number) => (start === 0 ? 1 : Math.min(i / (blend - 1), 1));
    for (let plane = 0; plane < batch * channels; plane++) {
      for (let y = 0; y < tileHeight; y++) {
        for (let z = 0; z < tileWidth; z++) {
          const share = slope(top, y) * slope(left, z);
          const at = (plane * fullHeight + top * ratio + y) * fullWidth + left * ratio + z;
          const value = result.data[(plane * tileHeight + y) * tileWidth + z] as number;
          out[at] = share * value + (1 - share) * (out[at] as number);
        }
      }
    }
  }
  return new Tensor("float32", [batch, channels, fullHeight, fullWidth], out);
}

/** All tiles with their results, row by row. Tiles of one shape are computed one after another, since each shape needs its own graph. */
async function eachTile(
  x: Tensor,
  { size, stride }: TileSizes,
  fn: (tile: Tensor) => Promise<Tensor>,
): Promise<(Tile & { readonly result: Tensor })[]> {
  const [, , height = 0, width = 0] = x.shape;
  if (stride < 1) {
    throw new ConfigError(`the autoencoder's config gives tiles with a side of ${size}, which are too small to overlap`, {
      hint: "turn tiling off: disableVaeTiling()",
    });
  }
  const tiles: Tile[] = [];
  for (let top = 0; top < height; top += stride) {
    for (let left = 0; left < width; left += stride) {
      tiles.push({ row: top / stride, column: left / stride, top, left, input: crop(x, top, left, size) });
    }
  }
  const results = new Map<Tile, Tensor>();
  const shapeOf = ({ input }: Tile) => String(input.shape);
  for (const tile of [...tiles].sort((a, b) => shapeOf(a).localeCompare(shapeOf(b)))) results.set(tile, await fn(tile.input));
  return tiles.map((tile) => ({ ...tile, result: results.get(tile) as Tensor }));
}

/** A copy of at most `high` by `wide` pixels of x [batch, channels, height, width], from `top` and `left`. */
export function crop(x: Tensor, top: number, left: number, high: number, wide = high): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [rows, columns] = [Math.min(high, height - top), Math.min(wide, width - left)];
  const data = new Float32Array(batch * channels * rows * columns);
  for (let line = 0; line < batch * channels * rows; line++) {
    const from = (Math.floor(line / rows) * height + top + (line % rows)) * width + left;
    data.set(x.data.subarray(from, from + columns), line * columns);
  }
  return new Tensor("float32", [batch, channels, rows, columns], data);
}

/** Changes `tile`: its first `extent` rows (axis 2) or columns (axis 3) fade from the last ones of its neighbour. */
function blendEdge(neighbour: Tensor, tile: Tensor, axis: 2 | 3, extent: number): void {
  const [batch = 0, channels = 0, height = 0, width = 0] = tile.shape;
  const [, , otherHeight = 0, otherWidth = 0] = neighbour.shape;
  const size = Math.min(neighbour.shape[axis] ?? 0, tile.shape[axis] ?? 0, extent);
  const across = axis === 2 ? width : height;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < across; j++) {
        const [y, x] = axis === 2 ? [i, j] : [j, i];
        const [otherY, otherX] = axis === 2 ? [otherHeight - size + i, j] : [j, otherWidth - size + i];
        const at = (plane * height + y) * width + x;
        const other = neighbour.data[(plane * otherHeight + otherY) * otherWidth + otherX] as number;
        tile.data[at] = other * (1 - i / size) + (tile.data[at] as number) * (i / size);
      }
    }
  }
}
