import { ArgumentError } from "../../errors.js";
import type { ImageSource } from "../../image/load-image.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { ImageInput } from "./image-inputs.js";

/**
 * The controlling pictures of a call, as in diffusers. For one ControlNet: one picture, or a list with one for each prompt. For several
 * ControlNets: a list with one picture for each ControlNet, for all prompts; or a list with such a list for each prompt:
 * `[[canny1, pose1], [canny2, pose2]]`.
 */
export type ControlImages = ImageInput | readonly (readonly (ImageSource | Tensor)[])[];

/**
 * The pictures of each of `nets` ControlNets, in their order: one for all of `prompts` prompts, or one for each.
 * @throws ArgumentError for lists of other lengths.
 */
export function imagesPerNet(image: ControlImages, nets: number, prompts: number): readonly ImageInput[] {
  const isList = Array.isArray(image);
  if (isList && image.some(Array.isArray)) return transposed(image as readonly ImageInput[], nets, prompts);
  if (nets === 1) return [image as ImageInput];
  if (isList && image.length === nets) return image as readonly (ImageSource | Tensor)[];
  throw wrongImages(`image is ${isList ? `a list of ${image.length}` : "not a list"}`, nets);
}

/** @throws ArgumentError unless `count` is 1 or the number of prompts. */
export function expectForPrompts(count: number, prompts: number): void {
  if (count === 1 || count === prompts) return;
  throw new ArgumentError(`image has ${count} pictures for ${prompts} prompts; expected one, or one for each prompt`, {
    argument: "image",
  });
}

function transposed(rows: readonly ImageInput[], nets: number, prompts: number): readonly ImageInput[] {
  for (const [i, row] of rows.entries()) {
    if (!Array.isArray(row)) throw wrongImages(`image[${i}] is not a list, others are`, nets);
    if (row.length !== nets) throw wrongImages(`image[${i}] is a list of ${row.length}`, nets);
  }
  expectForPrompts(rows.length, prompts);
  return Array.from({ length: nets }, (_, net) =>
    rows.map((row) => (row as readonly (ImageSource | Tensor)[])[net] as ImageSource | Tensor),
  );
}

function wrongImages(found: string, nets: number): ArgumentError {
  const hint =
    nets === 1
      ? "give one picture, or a list with one for each prompt"
      : "give a list with a picture for each ControlNet, [canny, pose], or such a list for each prompt, [[canny1, pose1], [canny2, pose2]]";
  return new ArgumentError(`${found}; expected a picture for each of ${nets} ControlNet${nets === 1 ? "" : "s"}`, {
    argument: "image",
    hint,
  });
}
