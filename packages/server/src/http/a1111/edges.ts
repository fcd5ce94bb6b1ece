import { greyOf, type Raster, toColour } from "./raster.js";

/** Neighbours along the gradient, by its direction in eighths of a turn. */
const ALONG = [
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
] as const;

/**
 * The edges of a picture, white on black (Canny 1986), as OpenCV's `Canny(picture, low, high)` finds them: 3x3 Sobel, the sum of both
 * slopes as strength, no blur before. Edges as strong as `high` count, and those as strong as `low` that touch them.
 */
export async function edgesOf(picture: Raster, low: number, high: number): Promise<Raster> {
  const grey = await greyOf(picture);
  const { width, height } = grey;
  const [weak, strong] = [Math.min(low, high), Math.max(low, high)];
  const { strength, direction } = slopes(grey);
  const edges = new Uint8Array(width * height);
  const found: number[] = [];
  const isRidge = (i: number) => {
    const [dx, dy] = ALONG[direction[i] ?? 0] ?? ALONG[0];
    const [x, y] = [i % width, Math.floor(i / width)];
    const at = (column: number, row: number) =>
      column < 0 || row < 0 || column >= width || row >= height ? 0 : (strength[row * width + column] ?? 0);
    const own = strength[i] ?? 0;
    // Of two equal neighbours one counts.
    return own > at(x - dx, y - dy) && own >= at(x + dx, y + dy);
  };
  const mark = (i: number) => {
    edges[i] = 255;
    found.push(i);
  };
  for (let i = 0; i < edges.length; i++) if ((strength[i] ?? 0) > strong && isRidge(i)) mark(i);
  for (let i = found.pop(); i !== undefined; i = found.pop()) {
    const [x, y] = [i % width, Math.floor(i / width)];
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
        const j = row * width + column;
        if (edges[j] === 0 && (strength[j] ?? 0) > weak && isRidge(j)) mark(j);
      }
    }
  }
  return toColour({ data: Buffer.from(edges), width, height, channels: 1 });
}

/** How steep the picture is at each pixel, and where to: across, down, or one of the diagonals between. */
function slopes({ data, width, height }: Raster): { readonly strength: Uint16Array; readonly direction: Uint8Array } {
  const strength = new Uint16Array(width * height);
  const direction = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const [above, below] = [Math.max(y - 1, 0) * width, Math.min(y + 1, height - 1) * width];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(x - 1, 0), Math.min(x + 1, width - 1)];
      const at = (row: number, column: number) => data[row + column] ?? 0;
      const row = y * width;
      const dx = at(above, right) + 2 * at(row, right) + at(below, right) - at(above, left) - 2 * at(row, left) - at(below, left);
      const dy = at(below, left) + 2 * at(below, x) + at(below, right) - at(above, left) - 2 * at(above, x) - at(above, right);
      strength[row + x] = Math.abs(dx) + Math.abs(dy);
      direction[row + x] = directionOf(dx, dy);
    }
  }
  return { strength, direction };
}

/** The tangent of 22.5 degrees: the border between straight and diagonal. */
const TANGENT = Math.SQRT2 - 1;

function directionOf(dx: number, dy: number): number {
  const [across, down] = [Math.abs(dx), Math.abs(dy)];
  if (down <= across * TANGENT) return 0;
  if (across <= down * TANGENT) return 2;
  return dx * dy > 0 ? 1 : 3;
}
