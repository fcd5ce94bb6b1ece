import { ArgumentError } from "../errors.js";
import { type AnyPicture, channelsOf, pictureLike } from "./gray-picture.js";
import type { Box } from "./resize.js";

/**
 * A rectangle of the picture, black outside the picture. Matches PIL's `Image.crop`. @throws ArgumentError for a rectangle without area.
 */
export function crop<P extends AnyPicture>(picture: P, [left, top, right, bottom]: Box): P {
  const [width, height] = [right - left, bottom - top];
  if (!(width > 0 && height > 0)) throw new ArgumentError(`the rectangle ${left}, ${top}, ${right}, ${bottom} has no area`);
  const black = pictureLike(picture, width, height, new Uint8Array(width * height * channelsOf(picture)));
  return paste(black, picture, -left, -top);
}

/** `onto` with `picture` pasted at `left`, `top`. The part of `picture` outside `onto` is cut off. */
export function paste<P extends AnyPicture>(onto: P, picture: P, left: number, top: number): P {
  const channels = channelsOf(onto);
  const data = onto.data.slice();
  const [firstColumn, endColumn] = [Math.max(left, 0), Math.min(left + picture.width, onto.width)];
  const endRow = Math.min(top + picture.height, onto.height);
  for (let row = Math.max(top, 0); row < endRow && firstColumn < endColumn; row++) {
    const from = ((row - top) * picture.width + firstColumn - left) * channels;
    const run = picture.data.subarray(from, from + (endColumn - firstColumn) * channels);
    data.set(run, (row * onto.width + firstColumn) * channels);
  }
  return pictureLike(onto, onto.width, onto.height, data);
}
