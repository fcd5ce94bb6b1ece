import { described, type Fields, real, whole } from "../options/fields.js";
import { type PictureInput, picture } from "./picture-input.js";

/** How a checkpoint that changes pictures uses the given one. */
export interface EditRequest {
  /** For InstructPix2Pix, which takes 100 steps by default: how strongly the result stays like the picture, from 1; 1.5 by default. */
  readonly imageGuidanceScale?: number | undefined;
  /** For Stable Diffusion 2 depth: the depth of the picture, near parts bright. In JSON: the image file in base64, or a data URL. */
  readonly depthMap?: PictureInput | undefined;
  /** For the x4 upscaler: how much noise the small picture gets, 0 to 350; 20 by default. More invents more. */
  readonly noiseLevel?: number | undefined;
}

/** The options of {@link EditRequest}. */
export const EDIT_REQUEST_FIELDS: Fields<EditRequest> = {
  imageGuidanceScale: described(
    "For InstructPix2Pix, which takes 100 steps by default: how strongly the result stays like the picture, from 1; 1.5 by default.",
    real(0),
  ),
  depthMap: described(
    "For Stable Diffusion 2 depth: the depth of the picture, near parts bright. In JSON: the image file in base64, or a data URL.",
    picture,
  ),
  noiseLevel: described(
    "For the x4 upscaler: how much noise the small picture gets, 0 to 350; 20 by default. More invents more.",
    whole(0),
  ),
};
