import * as v from "valibot";
import { isPlain } from "../given.js";
import type { IPAdapterUNetScales } from "../models/ip-adapter-scales.js";
import { described, type Fields, field, isListOf, withJson } from "../options/fields.js";
import { type PictureInput, picture } from "./picture-input.js";

/** The pictures of one IP-Adapter: one, or a list of several. */
export type ImagePromptPictures = PictureInput | readonly PictureInput[];

/** The masks of one IP-Adapter: one for each of its pictures; null if they act everywhere. */
export type ImagePromptMasks = ImagePromptPictures | null;

/**
 * How strongly parts of a picture act, each in the UNet's blocks for it (InstantStyle, Wang et al. 2024, arXiv:2404.02733). All other
 * blocks have 0. Only for Stable Diffusion XL, whose blocks are known.
 */
export interface ImagePromptParts {
  /** Colours, material and mood; 0 by default. */
  readonly style?: number | undefined;
  /** Composition; 0 by default. */
  readonly layout?: number | undefined;
}

/** How strongly an IP-Adapter acts: everywhere, by block of the UNet as `setIPAdapterScale` takes it, or by part of the picture. */
export type ImagePromptScale = number | IPAdapterUNetScales | ImagePromptParts;

/** The scale of one IP-Adapter of a list; with masks, it can be a list with one number for each picture. */
export type ImagePromptScales = ImagePromptScale | readonly number[];

/** Pictures that act beside the prompt, through IP-Adapters. */
export interface ImagePromptRequest {
  /**
   * Picture of the IP-Adapter, or a list with one picture, or a list of pictures, for each. In JSON: image files in base64, or data URLs.
   */
  readonly ipAdapterImage?: ImagePromptPictures | readonly ImagePromptPictures[] | undefined;
  /** Where the pictures act: masks like ipAdapterImage, white where their picture acts; null for everywhere. Everywhere by default. */
  readonly ipAdapterMasks?: ImagePromptPictures | readonly ImagePromptMasks[] | undefined;
  /**
   * How strongly the pictures act, or a list with one for each IP-Adapter; 1 by default, 0 not at all. Or by block: { up: { block_0: [0, 1,
   * 0] } }; or { style: 1, layout: 0 } for XL. With masks, a list in the list has one for each picture.
   */
  readonly ipAdapterScale?: ImagePromptScale | readonly ImagePromptScales[] | undefined;
}

const isPicture = (value: unknown) => v.is(picture, value);
const isPictures = (value: unknown) => isPicture(value) || isListOf(value, isPicture);
const several = <Item>(item: v.GenericSchema<Item>) => v.pipe(v.array(item), v.minLength(1));
const oneOrSeveral = <Item>(item: v.GenericSchema<Item>) => v.union([item, several(item)]);

const pictures = withJson(
  v.union([v.string(), several(oneOrSeveral(v.string()))]),
  field<NonNullable<ImagePromptRequest["ipAdapterImage"]>>(
    (value) => isPicture(value) || isListOf(value, isPictures),
    "a picture, or a list with one picture, or a list of pictures, for each IP-Adapter",
  ),
);

const masks = withJson(
  v.union([v.string(), several(v.union([v.null(), oneOrSeveral(v.string())]))]),
  field<NonNullable<ImagePromptRequest["ipAdapterMasks"]>>(
    (value) => isPicture(value) || isListOf(value, (each) => each === null || isPictures(each)),
    "a picture, or a list with one picture, a list of pictures or null for each IP-Adapter",
  ),
);

/** Scales whose numbers are `number`. The expanded scale is checked against the blocks of the UNet. */
function scalesOf(number: v.GenericSchema<number>): v.GenericSchema {
  const blocks = v.union([number, v.record(v.string(), v.union([number, several(oneOrSeveral(number))]))]);
  const scale = v.union([
    number,
    v.strictObject({ style: v.optional(number), layout: v.optional(number) }),
    v.strictObject({ down: v.optional(blocks), mid: v.optional(number), up: v.optional(blocks) }),
  ]);
  return v.union([scale, several(v.union([scale, several(number)]))]);
}

const finiteScales = scalesOf(v.pipe(v.number(), v.finite()));

/** Whether `parts` has scales by part, not by block. */
export function hasParts(parts: unknown): parts is ImagePromptParts {
  return isPlain(parts) && ("style" in parts || "layout" in parts);
}

/** The scale, each of its numbers multiplied by `factor`. */
export function multiplied<Scale>(scale: Scale, factor: number): Scale {
  const times = (value: unknown): unknown => {
    if (typeof value === "number") return value * factor;
    if (Array.isArray(value)) return value.map(times);
    return isPlain(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, times(each)])) : value;
  };
  return times(scale) as Scale;
}

/** The options of {@link ImagePromptRequest}. */
export const IMAGE_PROMPT_FIELDS: Fields<ImagePromptRequest> = {
  ipAdapterImage: described(
    "Picture of the IP-Adapter, or a list with one picture, or a list of pictures, for each. In JSON: image files in base64, or data URLs.",
    pictures,
  ),
  ipAdapterMasks: described(
    "Where the pictures act: masks like ipAdapterImage, white where their picture acts; null for everywhere. Everywhere by default.",
    masks,
  ),
  ipAdapterScale: described(
    "How strongly the pictures act, or a list with one for each IP-Adapter; 1 by default, 0 not at all. Or by block: { up: { block_0: [0, 1, 0] } }; or { style: 1, layout: 0 } for XL. With masks, a list in the list has one for each picture.",
    withJson(
      scalesOf(v.number()),
      field<NonNullable<ImagePromptRequest["ipAdapterScale"]>>(
        (value) => v.is(finiteScales, value),
        "a number, scales by block ({ down, mid, up }) or by part ({ style, layout }), or a list with one for each IP-Adapter",
      ),
    ),
  ),
};
