import { concat, type Tensor } from "../tensor/tensor.js";

/** A tensor [n, ...] repeated as a whole until it has `rows` rows. */
export function repeatRows(tensor: Tensor, rows: number): Tensor {
  const times = rows / (tensor.shape[0] ?? 1);
  return times === 1 ? tensor : concat(Array.from({ length: times }, () => tensor));
}

/**
 * The results of `run` for each row of `feeds`, one after another. With guidance this takes half the working memory of two rows at once.
 * Feeds with one row are the same for all.
 */
export async function rowByRow<Feeds extends Readonly<Record<string, Tensor>>>(
  feeds: Feeds,
  rows: number,
  run: (feeds: Feeds) => Promise<Tensor>,
): Promise<Tensor> {
  const results: Tensor[] = [];
  for (let row = 0; row < rows; row++) {
    const own = Object.entries(feeds).map(([name, tensor]) => [name, tensor.shape[0] === 1 ? tensor : tensor.slice(row, row + 1)]);
    results.push(await run(Object.fromEntries(own)));
  }
  return concat(results);
}
