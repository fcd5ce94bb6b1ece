import { gridPositions } from "../../tensor/grid-positions.js";
import { Tensor } from "../../tensor/tensor.js";

/** Side of the squares of latents that become one token. */
const PATCH = 2;

/**
 * Latents [batch, channels, height, width] as tokens [batch, height * width / 4, channels * 4], each a square of 2 x 2. Matches
 * `_pack_latents` of diffusers' FluxPipeline.
 */
export function packLatents(latents: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = latents.shape;
  const [rows, columns] = [height / PATCH, width / PATCH];
  const squares = latents.reshape([batch, channels, rows, PATCH, columns, PATCH]).permute(0, 2, 4, 1, 3, 5);
  return squares.reshape([batch, rows * columns, channels * PATCH ** 2]);
}

/** The opposite of {@link packLatents}, for latents with these sides. */
export function unpackLatents(tokens: Tensor, [height, width]: readonly [height: number, width: number]): Tensor {
  const [batch = 0, , features = 0] = tokens.shape;
  const channels = features / PATCH ** 2;
  const squares = tokens.reshape([batch, height / PATCH, width / PATCH, channels, PATCH, PATCH]).permute(0, 3, 1, 4, 2, 5);
  return squares.reshape([batch, channels, height, width]);
}

/** The positions [tokens, 3] of a picture's tokens, row by row: the picture's number, row, column. */
export function tokenPositions(rows: number, columns: number, picture = 0): Tensor {
  return Tensor.from(gridPositions(rows, columns, picture).flat(), [rows * columns, 3]);
}
