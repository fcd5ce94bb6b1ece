import type { Tensor } from "../tensor/tensor.js";
import type { PatchGrid } from "./qwen-vision.js";

/**
 * The positions [frame, row, column] of all tokens of a batch, row after row. A text's tokens have three equal numbers, one more for each
 * token. A picture's tokens have those of their place in the picture, from the next number on; the text goes on after the longer side.
 * Padding is at 0. Matches get_rope_index of transformers' Qwen2_5_VLModel.
 */
export function imagePositions(
  tokenTypes: Tensor<"int64">,
  attentionMask: Tensor<"int64"> | undefined,
  grids: readonly PatchGrid[],
  merge: number,
): readonly (readonly number[])[] {
  const [batch = 0, tokens = 0] = tokenTypes.shape;
  const positions: (readonly number[])[] = Array.from({ length: batch * tokens }, () => [0, 0, 0]);
  let picture = 0;
  for (let row = 0; row < batch; row++) {
    const places = Array.from({ length: tokens }, (_, i) => row * tokens + i).filter((i) => attentionMask?.data[i] !== 0n);
    let next = 0;
    for (let at = 0; at < places.length; ) {
      const grid = tokenTypes.data[places[at] as number] === 1n ? grids[picture] : undefined;
      if (!grid) {
        positions[places[at++] as number] = [next, next, next];
        next++;
        continue;
      }
      picture++;
      const [frames, rows, columns] = [grid[0], grid[1] / merge, grid[2] / merge];
      for (let i = 0; i < frames * rows * columns && at < places.length; i++) {
        const [frame, line, column] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
        positions[places[at++] as number] = [next + frame, next + line, next + column];
      }
      next += Math.max(rows, columns);
    }
  }
  return positions;
}
