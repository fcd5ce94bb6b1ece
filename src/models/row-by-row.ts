import { concat, type Tensor } from "../tensor/tensor.js";

/** A tensor [n, ...] repeated as a whole until it has `rows` rows. */
export function repeatRows(tensor: Tensor, rows: number): Tensor {
  const times = rows / (tensor.shape[0] ?? 1);
  return times === 1 ? tensor : concat(Array.from({ length: times }, () => tensor));
}

/** `count` rows of all feeds from `start` on. Feeds with one row are the same for all. */
export function rowsOf<Feeds extends Readonly<Record<string, Tensor>>>(feeds: Feeds, start: number, count = 1): Feeds {
  const own = ([name, tensor]: [string, Tensor]) => [name, tensor.shape[0] === 1 ? tensor : tensor.slice(start, start + count)];
  return Object.fromEntries(Object.entries(feeds).map(own));
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
  for (let row = 0; row < rows; row++) results.push(await run(rowsOf(feeds, row)));
  return concat(results);
}
