import { ArgumentError } from "../../errors.js";
import type { ImageSource } from "../../image/load-image.js";
import { type Fields, field, isListOf, type NeededField, needed } from "../../options/fields.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type ImageInput, isImageInput } from "./image-inputs.js";

/**
 * The controlling pictures of a call, as in diffusers. For one ControlNet: one picture, or a list with one for each prompt. For several
 * ControlNets: a list with one picture for each ControlNet, for all prompts; or a list with such a list for each prompt:
 * `[[canny1, pose1], [canny2, pose2]]`.
 */
export type ControlImages = ImageInput | readonly (readonly (ImageSource | Tensor)[])[];

const controlImages = field<ControlImages>(
  (value) => isImageInput(value) || isListOf(value, isImageInput),
  "a picture in any form, or a list of them",
);

/** The field of the controlling pictures in the option called `name`. */
export function controlImagesField(name: "image" | "controlImage"): NeededField<ControlImages> {
  return needed(controlImages, `${name} is the controlling picture; several ControlNets take a list with one for each`);
}

/** The controlling pictures of a call that also starts from a picture. */
export interface ControlImageOptions {
  /** The controlling pictures. They are resized to `width` and `height`; without these, they must be as large as `image`. */
  readonly controlImage: ControlImages;
}

export const CONTROL_IMAGE_FIELDS: Fields<ControlImageOptions> = { controlImage: controlImagesField("controlImage") };

/**
 * The pictures of each of `nets` ControlNets, in their order: one for all of `prompts` prompts, or one for each.
 * @throws ArgumentError for lists of other lengths. It is about the option `argument`.
 */
export function imagesPerNet(image: ControlImages, nets: number, prompts: number, argument = "image"): readonly ImageInput[] {
  const isList = Array.isArray(image);
  if (isList && image.some(Array.isArray)) return transposed(image as readonly ImageInput[], nets, prompts, argument);
  if (nets === 1) return [image as ImageInput];
  if (isList && image.length === nets) return image as readonly (ImageSource | Tensor)[];
  throw wrongImages(`${argument} is ${isList ? `a list of ${image.length}` : "not a list"}`, nets, argument);
}

/** @throws ArgumentError unless `count` is 1 or the number of prompts. */
export function expectForPrompts(count: number, prompts: number, argument = "image"): void {
  if (count === 1 || count === prompts) return;
  throw new ArgumentError(`${argument} has ${count} pictures for ${prompts} prompts; expected one, or one for each prompt`, { argument });
}

function transposed(rows: readonly ImageInput[], nets: number, prompts: number, argument: string): readonly ImageInput[] {
  for (const [i, row] of rows.entries()) {
    if (!Array.isArray(row)) throw wrongImages(`${argument}[${i}] is not a list, others are`, nets, argument);
    if (row.length !== nets) throw wrongImages(`${argument}[${i}] is a list of ${row.length}`, nets, argument);
  }
  expectForPrompts(rows.length, prompts, argument);
  return Array.from({ length: nets }, (_, net) =>
    rows.map((row) => (row as readonly (ImageSource | Tensor)[])[net] as ImageSource | Tensor),
  );
}

function wrongImages(found: string, nets: number, argument: string): ArgumentError {
  const hint =
    nets === 1
      ? "give one picture, or a list with one for each prompt"
      : "give a list with a picture for each ControlNet, [canny, pose], or such a list for each prompt, [[canny1, pose1], [canny2, pose2]]";
  return new ArgumentError(`${found}; expected a picture for each of ${nets} ControlNet${nets === 1 ? "" : "s"}`, { argument, hint });
}
