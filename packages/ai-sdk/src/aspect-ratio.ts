/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Networks draw in blocks: sides are multiples of 8 for every family. */
const BLOCK = 8;

/** The size with this ratio of width to height and about as many pixels as a square of this side. */
export function sizeOfRatio(ratio: number, side: number): Size {
  const blocks = (pixels: number) => Math.max(BLOCK, Math.round(pixels / BLOCK) * BLOCK);
  // The shorter side is rounded first: of the other one, a block is a smaller part.
  if (ratio < 1) {
    const width = blocks(side * Math.sqrt(ratio));
    return { width, height: blocks(width / ratio) };
  }
  const height = blocks(side / Math.sqrt(ratio));
  return { width: blocks(height * ratio), height };
}
