import type { ResizeMode } from "../image/vae-image-processor.js";
import { described, type Fields, flag, oneOrList, real } from "../options/fields.js";
import { type ControlMode, type ControlPreprocessor, controlModes, controlPreprocessors, controlResizeModes } from "./control-options.js";
import { CONTROL_TEXT } from "./default-texts.js";
import { type PictureInput, picture } from "./picture-input.js";

/** How ControlNets, ControlNet Unions and T2I-Adapters steer a run. */
export interface ControlRequest {
  /** Picture that the ControlNet follows, or a list with one for each ControlNet. In JSON: image files in base64, or data URLs. */
  readonly controlImage?: PictureInput | readonly PictureInput[] | undefined;
  /** Weight of the ControlNets, or a list with one for each. By default 1; with a picture 0.8; with a mask 0.5; XL 1. */
  readonly controlnetConditioningScale?: number | readonly number[] | undefined;
  /** The share of the steps, 0 to 1, at which the ControlNets begin to act, or a list with one for each; 0 by default. */
  readonly controlGuidanceStart?: number | readonly number[] | undefined;
  /** The share of the steps, 0 to 1, at which the ControlNets end, or a list with one for each; 1 by default. */
  readonly controlGuidanceEnd?: number | readonly number[] | undefined;
  /** Lets the ControlNets guide the picture without a prompt; false by default. */
  readonly guessMode?: boolean | undefined;
  /** What the picture for a ControlNet Union shows: canny, depth, ..., or the type's number; a list for several pictures. */
  readonly controlMode?: ControlMode | readonly ControlMode[] | undefined;
  /** Makes the pictures to follow of those given: none (the default), canny or invert; or a list with one for each. */
  readonly controlPreprocessor?: ControlPreprocessor | readonly ControlPreprocessor[] | undefined;
  /**
   * For pictures of other proportions: default stretches them, crop cuts them off, fill repeats their edges; or a list with one for each.
   */
  readonly controlResizeMode?: ResizeMode | readonly ResizeMode[] | undefined;
}

const share = oneOrList(real(0, 1), "a number or a list of numbers, each from 0 to 1");

/** The options that say how networks steer a run. */
export const CONTROL_FIELDS: Fields<ControlRequest> = {
  controlImage: described(
    "Picture that the ControlNet follows, or a list with one for each ControlNet. In JSON: image files in base64, or data URLs.",
    oneOrList(picture, "one picture or a list of them"),
  ),
  controlnetConditioningScale: described(
    `Weight of the ControlNets, or a list with one for each. By default ${CONTROL_TEXT}.`,
    oneOrList(real(0), "a number or a list of numbers, each at least 0"),
  ),
  controlGuidanceStart: described(
    "The share of the steps, 0 to 1, at which the ControlNets begin to act, or a list with one for each; 0 by default.",
    share,
  ),
  controlGuidanceEnd: described(
    "The share of the steps, 0 to 1, at which the ControlNets end, or a list with one for each; 1 by default.",
    share,
  ),
  guessMode: described("Lets the ControlNets guide the picture without a prompt; false by default.", flag),
  controlMode: described(
    "What the picture for a ControlNet Union shows: canny, depth, ..., or the type's number; a list for several pictures.",
    controlModes,
  ),
  controlPreprocessor: described(
    "Makes the pictures to follow of those given: none (the default), canny or invert; or a list with one for each.",
    controlPreprocessors,
  ),
  controlResizeMode: described(
    "For pictures of other proportions: default stretches them, crop cuts them off, fill repeats their edges; or a list with one for each.",
    controlResizeModes,
  ),
};
