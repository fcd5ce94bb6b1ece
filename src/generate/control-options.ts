import * as v from "valibot";
import type { CannyOptions } from "../image/canny.js";
import type { ResizeMode } from "../image/vae-image-processor.js";
import { type Field, field, oneOf, oneOrList, withJson } from "../options/fields.js";
import type { Wording } from "../wording.js";

/** What the picture for a ControlNet Union shows: a name of xinsir's model card, such as "canny", or the number of a type, from 0. */
export type ControlMode =
  | number
  | ("openpose" | "depth" | "hed" | "pidi" | "scribble" | "ted" | "canny" | "lineart" | "anime_lineart" | "mlsd")
  | ("normal" | "segment" | "tile" | "repaint");

type ControlModeName = Exclude<ControlMode, number>;

/** The types of control by the names of xinsir's model card. Tile and repaint are those of ProMax. */
const UNION_MODES: Readonly<Record<ControlModeName, number>> = {
  ...{ openpose: 0, depth: 1, hed: 2, pidi: 2, scribble: 2, ted: 2 },
  ...{ canny: 3, lineart: 3, anime_lineart: 3, mlsd: 3, normal: 4, segment: 5, tile: 6, repaint: 7 },
};

const UNION_MODE_NAMES = Object.keys(UNION_MODES) as readonly ControlModeName[];

const MODES = `a whole number of at least 0, or one of ${UNION_MODE_NAMES.join(", ")}`;

export const controlMode = withJson(
  v.union([v.pipe(v.number(), v.integer(), v.minValue(0)), v.picklist(UNION_MODE_NAMES)]),
  field<ControlMode>(
    (value) => (Number.isSafeInteger(value) && (value as number) >= 0) || UNION_MODE_NAMES.some((name) => name === value),
    MODES,
  ),
);

/** One type of control, or a list of them. */
export const controlModes = oneOrList(controlMode, `${MODES}; or a list of them`);

/** The number of a type of control. */
export function modeNumber(mode: ControlMode): number {
  return typeof mode === "number" ? mode : UNION_MODES[mode];
}

const RESIZE_MODES = ["default", "crop", "fill"] as const satisfies readonly ResizeMode[];

export const controlResizeMode: Field<ResizeMode> = oneOf(...RESIZE_MODES);

/** How one picture is resized, or a list with a way for each. */
export const controlResizeModes = oneOrList(controlResizeMode, `${RESIZE_MODES.join(", ")}, or a list of them`);

const PREPROCESSOR_NAMES = ["none", "canny", "invert"] as const;

/** What finds edges, with thresholds: the weakest edges beside strong ones, and the weakest strong ones. */
export interface CannyPreprocessor extends CannyOptions {
  /** The preprocessor. */
  readonly name: "canny";
}

/**
 * What makes a controlling picture of another picture: nothing, edges as OpenCV finds them with thresholds of 100 and 200 or others, or
 * black for white.
 */
export type ControlPreprocessor = "none" | "canny" | "invert" | CannyPreprocessor;

const PREPROCESSORS = `${PREPROCESSOR_NAMES.join(", ")}, or { name: "canny", lowThreshold: 100, highThreshold: 200 }`;

const threshold = v.optional(v.pipe(v.number(), v.minValue(0)));

const PREPROCESSOR = v.union([
  v.picklist(PREPROCESSOR_NAMES),
  v.strictObject({ name: v.picklist(["canny"]), lowThreshold: threshold, highThreshold: threshold }),
]);

/** One preprocessor. */
export const controlPreprocessor: Field<ControlPreprocessor> = {
  ...withJson(
    PREPROCESSOR,
    field<ControlPreprocessor>((value) => v.is(PREPROCESSOR, value), PREPROCESSORS, "string"),
  ),
  hint: preprocessorHint,
};

/** One preprocessor, or a list of them. */
export const controlPreprocessors: Field<ControlPreprocessor | readonly ControlPreprocessor[]> = {
  ...oneOrList(controlPreprocessor, `${PREPROCESSORS}; or a list of them`),
  hint: preprocessorHint,
};

/** Preprocessors of the web UIs and of controlnet_aux that need a network, by how their names begin. */
const NETWORKED = new RegExp(
  `^(${[
    ...["depth", "midas", "leres", "zoe", "normal", "bae", "openpose", "dw_?(open)?pose", "animal", "densepose", "mediapipe", "facial"],
    ...["lineart", "anime", "softedge", "hed", "pidi", "ted", "scribble", "sketch", "mlsd", "seg", "sam", "oneformer", "ip-adapter"],
    ...["clip", "instant", "reference", "revision"],
  ].join("|")})`,
  "i",
);

/** What to do about a preprocessor that Darkroom does not have. */
function preprocessorHint(value: unknown): Wording | undefined {
  const wrong = [value].flat().find((each) => !v.is(PREPROCESSOR, each));
  if (typeof wrong !== "string") return undefined;
  if (!NETWORKED.test(wrong)) return (name) => `a picture that is prepared already needs none: give it as ${name("controlImage")}`;
  return (name) =>
    `${wrong.slice(0, 50)} needs a network of its own, which Darkroom does not have: make the picture with the Python package controlnet_aux or with a web UI's ControlNet, and give it as ${name("controlImage")}`;
}
