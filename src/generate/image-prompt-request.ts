import * as v from "valibot";
import { described, type Fields, field, isListOf, oneOrList, real, withJson } from "../options/fields.js";
import { type PictureInput, picture } from "./picture-input.js";

/** The pictures of one IP-Adapter: one, or a list of several. */
export type ImagePromptPictures = PictureInput | readonly PictureInput[];

/** Pictures that act beside the prompt, through IP-Adapters. */
export interface ImagePromptRequest {
  /**
   * Picture of the IP-Adapter, or a list with one picture, or a list of pictures, for each. In JSON: image files in base64, or data URLs.
   */
  readonly ipAdapterImage?: ImagePromptPictures | readonly ImagePromptPictures[] | undefined;
  /** How strongly the pictures act, or a list with one for each IP-Adapter; 1 by default, 0 not at all. */
  readonly ipAdapterScale?: number | readonly number[] | undefined;
}

const isPicture = (value: unknown) => v.is(picture, value);
const isPictures = (value: unknown) => isPicture(value) || isListOf(value, isPicture);
const several = <Item>(item: v.GenericSchema<Item>) => v.pipe(v.array(item), v.minLength(1));

const pictures = withJson(
  v.union([v.string(), several(v.union([v.string(), several(v.string())]))]),
  field<NonNullable<ImagePromptRequest["ipAdapterImage"]>>(
    (value) => isPicture(value) || isListOf(value, isPictures),
    "a picture, or a list with one picture, or a list of pictures, for each IP-Adapter",
  ),
);

/** The options of {@link ImagePromptRequest}. */
export const IMAGE_PROMPT_FIELDS: Fields<ImagePromptRequest> = {
  ipAdapterImage: described(
    "Picture of the IP-Adapter, or a list with one picture, or a list of pictures, for each. In JSON: image files in base64, or data URLs.",
    pictures,
  ),
  ipAdapterScale: described(
    "How strongly the pictures act, or a list with one for each IP-Adapter; 1 by default, 0 not at all.",
    oneOrList(real(), "a number or a list of numbers"),
  ),
};
