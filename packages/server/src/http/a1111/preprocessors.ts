import * as v from "valibot";
import { HttpError } from "../http-error.js";
import { atMost, type Limits } from "../limits.js";
import { edgesOf } from "./edges.js";
import { described, jsonOf, list, readFields, real, text, whole } from "./fields.js";
import { inverted, type Raster, readPicture, resized, toBase64 } from "./raster.js";

/** Preprocessors that the server has. */
export const MODULES = ["none", "canny", "invert"] as const;

/** A preprocessor that the server has. */
export type Module = (typeof MODULES)[number];

/** The web UI's names of other versions. */
const MODULE_ALIASES: ReadonlyMap<string, Module> = new Map([["invert (from white bg & black line)", "invert"]]);

/** @throws HttpError for one that the server does not have */
export function expectModule(name: string, param: string, status: 400 | 422 = 400): Module {
  const word = MODULE_ALIASES.get(name) ?? name.toLowerCase();
  const found = MODULES.find((each) => each === word);
  if (found) return found;
  throw new HttpError(status, `Module not available: this server has no ControlNet preprocessor ${JSON.stringify(name.slice(0, 100))}`, {
    code: "module_not_found",
    param,
    hint: `it has ${MODULES.join(", ")}: send a picture that is prepared already, with the module none`,
  });
}

/** How a preprocessor works. What is undefined or below 0 is the web UI's default. */
export interface PreprocessorSettings {
  /** Pixels of the shorter side at which it works. */
  readonly side?: number | undefined;
  /** The thresholds of the edges. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/** What the preprocessor makes of a picture. Edges are found at the size that is asked for, or with 512 pixels for the shorter side. */
export async function preprocessed(
  picture: Raster,
  module: Module,
  { side = -1, low = -1, high = -1 }: PreprocessorSettings,
): Promise<Raster> {
  if (module === "none") return picture;
  if (module === "invert") return inverted(picture);
  // The extension's slider ends at 2048.
  const shorter = side > 0 ? Math.min(side, 2048) : 512;
  const scale = shorter / Math.min(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((each) => Math.min(Math.round(each * scale), 4096)) as [number, number];
  return edgesOf(await resized(picture, { width, height }), low < 0 ? 100 : low, high < 0 ? 200 : high);
}

const DETECT_FIELDS = {
  controlnet_module: described(`A preprocessor: ${MODULES.join(", ")}. none, the default, gives the pictures back.`, text),
  controlnet_input_images: described("Pictures: files in base64, or data URLs.", list),
  controlnet_processor_res: described("Pixels of the shorter side at which edges are found; 512 by default.", whole()),
  controlnet_threshold_a: described("The lower threshold of edges; 64 by default.", real()),
  controlnet_threshold_b: described("The upper threshold of edges; 64 by default.", real()),
};

const DETECT = v.object(DETECT_FIELDS);

/** The fields of `/controlnet/detect`, as the document shows them. */
export const DETECT_SCHEMA = jsonOf(DETECT_FIELDS);

/** The reply of `/controlnet/detect`: what a preprocessor makes of pictures. @throws HttpError, ArgumentError */
export async function detect(given: unknown, limits: Limits): Promise<Record<string, unknown>> {
  const {
    controlnet_module: name = "none",
    controlnet_input_images: images = [],
    controlnet_processor_res: side = 512,
    controlnet_threshold_a: low = 64,
    controlnet_threshold_b: high = 64,
  } = readFields(DETECT, given);
  const module = expectModule(name, "controlnet_module", 422);
  if (images.length === 0) throw invalid("No image selected: controlnet_input_images is empty");
  if (images.length > limits.maxBatch)
    throw invalid(`controlnet_input_images holds ${images.length} pictures; ${atMost("maxBatch", limits)}`);
  const made: string[] = [];
  for (const image of images) {
    const picture = await readPicture(image, "controlnet_input_images", limits);
    made.push(await toBase64(await preprocessed(picture, module, { side, low, high })));
  }
  return { images: made, info: "Success" };
}

function invalid(message: string): HttpError {
  return new HttpError(422, message, { code: "invalid_controlnet_input_images", param: "controlnet_input_images" });
}
