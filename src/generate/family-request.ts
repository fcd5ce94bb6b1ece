import * as v from "valibot";
import { described, type Fields, field, flag, layerNumbers, numbers, real, text, whole, withJson } from "../options/fields.js";

/** Options that the pipelines of some families take. Others refuse them by name. */
export interface FamilyRequest {
  /** XL, FLUX.1, Stable Diffusion 3: the prompt for the second text encoder; the same prompt by default. */
  readonly prompt2?: string | undefined;
  /** Stable Diffusion 3: the prompt for the third text encoder, T5; the same prompt by default. */
  readonly prompt3?: string | undefined;
  /** XL, FLUX.1, Stable Diffusion 3: the negative prompt for the second text encoder; the same one by default. */
  readonly negativePrompt2?: string | undefined;
  /** Stable Diffusion 3: the negative prompt for the third text encoder, T5; the same one by default. */
  readonly negativePrompt3?: string | undefined;
  /** Families with a transformer: the most tokens of a prompt; 512 by default, Stable Diffusion 3 256. */
  readonly maxSequenceLength?: number | undefined;
  /**
   * FLUX.1: guidance by the negative prompt, off at 1, the default; above, steps take twice as long. Qwen-Image: another name of
   * guidanceScale.
   */
  readonly trueCfgScale?: number | undefined;
  /** Z-Image: no guidance after this share of the time, from 0 to 1; 1 by default. */
  readonly cfgTruncation?: number | undefined;
  /** Z-Image: guided predictions are at most so many times as long as those for the prompt; true is 1. Off by default. */
  readonly cfgNormalization?: boolean | number | undefined;
  /** Stable Diffusion 3.5 medium: guidance away from the prediction without these blocks, such as [7, 8, 9]. Off by default. */
  readonly skipGuidanceLayers?: readonly number[] | undefined;
  /** How strong it is; 2.8 by default. */
  readonly skipLayerGuidanceScale?: number | undefined;
  /** The share of the steps after which it begins; 0.01 by default. */
  readonly skipLayerGuidanceStart?: number | undefined;
  /** The share of the steps before which it ends; 0.2 by default. */
  readonly skipLayerGuidanceStop?: number | undefined;
  /** Stable Diffusion 3: the shift of noise levels, for a scheduler with dynamic shifting; by default it grows with the picture. */
  readonly mu?: number | undefined;
  /** FLUX.1 Kontext: pixels of the result, which width and height give its shape; 1024 * 1024 by default, or their product. */
  readonly maxArea?: number | undefined;
  /** FLUX.1 Kontext: false sees the picture in its own size, not in the nearest one that the network was trained on. */
  readonly autoResize?: boolean | undefined;
  /** FLUX.2 klein: the layers of the text encoder whose features are read; [9, 18, 27] by default. */
  readonly textEncoderOutLayers?: readonly number[] | undefined;
}

/** The options of {@link FamilyRequest}. */
export const FAMILY_REQUEST_FIELDS: Fields<FamilyRequest> = {
  prompt2: described("XL, FLUX.1, Stable Diffusion 3: the prompt for the second text encoder; the same prompt by default.", text),
  prompt3: described("Stable Diffusion 3: the prompt for the third text encoder, T5; the same prompt by default.", text),
  negativePrompt2: described(
    "XL, FLUX.1, Stable Diffusion 3: the negative prompt for the second text encoder; the same one by default.",
    text,
  ),
  negativePrompt3: described("Stable Diffusion 3: the negative prompt for the third text encoder, T5; the same one by default.", text),
  maxSequenceLength: described(
    "Families with a transformer: the most tokens of a prompt; 512 by default, Stable Diffusion 3 256.",
    whole(1),
  ),
  trueCfgScale: described(
    "FLUX.1: guidance by the negative prompt, off at 1, the default; above, steps take twice as long. Qwen-Image: another name of guidanceScale.",
    real(0),
  ),
  cfgTruncation: described("Z-Image: no guidance after this share of the time, from 0 to 1; 1 by default.", real(0)),
  cfgNormalization: described(
    "Z-Image: guided predictions are at most so many times as long as those for the prompt; true is 1. Off by default.",
    withJson(
      v.union([v.boolean(), v.pipe(v.number(), v.minValue(0))]),
      field<boolean | number>(
        (value) => typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value) && value >= 0),
        "true, false or a number, at least 0",
      ),
    ),
  ),
  skipGuidanceLayers: described(
    "Stable Diffusion 3.5 medium: guidance away from the prediction without these blocks, such as [7, 8, 9]. Off by default.",
    layerNumbers,
  ),
  skipLayerGuidanceScale: described("How strong it is; 2.8 by default.", real()),
  skipLayerGuidanceStart: described("The share of the steps after which it begins; 0.01 by default.", real(0, 1)),
  skipLayerGuidanceStop: described("The share of the steps before which it ends; 0.2 by default.", real(0, 1)),
  mu: described(
    "Stable Diffusion 3: the shift of noise levels, for a scheduler with dynamic shifting; by default it grows with the picture.",
    real(),
  ),
  maxArea: described(
    "FLUX.1 Kontext: pixels of the result, which width and height give its shape; 1024 * 1024 by default, or their product.",
    real(1),
  ),
  autoResize: described(
    "FLUX.1 Kontext: false sees the picture in its own size, not in the nearest one that the network was trained on.",
    flag,
  ),
  textEncoderOutLayers: described(
    "FLUX.2 klein: the layers of the text encoder whose features are read; [9, 18, 27] by default.",
    withJson(v.array(v.pipe(v.number(), v.integer())), numbers()),
  ),
};

/** The names of these options. */
export const FAMILY_OPTIONS = Object.keys(FAMILY_REQUEST_FIELDS) as readonly (keyof FamilyRequest)[];

/** Those of these options that are given. */
export function familyOptionsOf(request: FamilyRequest): FamilyRequest {
  return Object.fromEntries(FAMILY_OPTIONS.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]])));
}
