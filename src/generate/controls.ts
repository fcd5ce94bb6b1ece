import type { ResizeMode } from "../image/vae-image-processor.js";
import { type ControlPreprocessor, modeNumber } from "./control-options.js";
import { listOf } from "./list-of.js";
import type { RunRequest } from "./run-request.js";
import { type NamedPicture, readPicture } from "./start.js";

/** One picture that a network which steers follows, and how it acts. What is undefined is the pipeline's default. */
export interface Control {
  readonly image: NamedPicture;
  readonly scale: number | undefined;
  /** The share of the steps at which it begins to act. */
  readonly start: number | undefined;
  /** The share of the steps at which it ends. */
  readonly end: number | undefined;
  /** Its type, for a ControlNet Union. */
  readonly mode: number | undefined;
  readonly preprocessor: ControlPreprocessor;
  readonly resizeMode: ResizeMode;
}

/** Decodes the pictures that steer, and gives each its settings. @throws ArgumentError for one that cannot be decoded */
export async function readControls(request: RunRequest): Promise<readonly Control[]> {
  const { controlImage, controlnetConditioningScale, controlGuidanceStart, controlGuidanceEnd } = request;
  const images = await Promise.all(listOf(controlImage).map((each) => readPicture("controlImage", each)));
  return images.map((image, i) => {
    const mode = valueFor(request.controlMode, i);
    return {
      image,
      scale: valueFor(controlnetConditioningScale, i),
      start: valueFor(controlGuidanceStart, i),
      end: valueFor(controlGuidanceEnd, i),
      mode: mode === undefined ? undefined : modeNumber(mode),
      preprocessor: valueFor(request.controlPreprocessor, i) ?? "none",
      resizeMode: valueFor(request.controlResizeMode, i) ?? "default",
    };
  });
}

/** A setting's value for the picture `i`: its own, or the one for all. */
function valueFor<Value>(setting: Value | readonly Value[] | undefined, i: number): Value | undefined {
  const list = listOf(setting);
  return list.length === 1 ? list[0] : list[i];
}
