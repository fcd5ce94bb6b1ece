import { ArgumentError } from "../errors.js";
import { expectField } from "../options/check-options.js";
import { field, isListOf, whole } from "../options/fields.js";
import { Picture } from "./picture.js";

const PICTURES = field<readonly Picture[]>((value) => isListOf(value, (each) => each instanceof Picture), "a list of Pictures");
const COUNT = whole(1);

/**
 * Pictures of one size side by side, row after row. Matches `diffusers.utils.make_image_grid`.
 * @throws ArgumentError if `rows` or `cols` is not a whole number of at least 1, there are not exactly `rows * cols` pictures, or their
 * sizes differ.
 */
export function makeImageGrid(images: readonly Picture[], rows: number, cols: number): Picture {
  expectField("images", images, PICTURES);
  expectField("rows", rows, COUNT);
  expectField("cols", cols, COUNT);
  const [first] = images;
  if (!first || images.length !== rows * cols) {
    throw new ArgumentError(`a grid of ${rows} rows and ${cols} columns needs ${rows * cols} pictures; ${images.length} were given`);
  }
  const { width, height } = first;
  const grid = new Picture(cols * width, rows * height, new Uint8Array(images.length * width * height * 3));
  images.forEach((image, i) => {
    if (image.width !== width || image.height !== height) {
      throw new ArgumentError(
        `pictures of a grid must have one size; picture 0 is ${width}x${height}, picture ${i} is ${image.width}x${image.height}`,
      );
    }
    const left = (i % cols) * width;
    const top = Math.floor(i / cols) * height;
    for (let y = 0; y < height; y++) {
      grid.data.set(image.data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * grid.width + left) * 3);
    }
  });
  return grid;
}

/**
 * The rows and columns of the squarest full grid of `count` pictures, wider than tall.
 * @throws ArgumentError unless `count` is a whole number of at least 1.
 */
export function gridShape(count: number): {
  /** Rows of the grid. */
  rows: number;
  /** Columns of the grid. */
  cols: number;
} {
  expectField("count", count, COUNT);
  let rows = Math.floor(Math.sqrt(count));
  while (count % rows !== 0) rows--;
  return { rows, cols: count / rows };
}
