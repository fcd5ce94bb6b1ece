import { listOf } from "./list-of.js";
import type { RunRequest } from "./run-request.js";
import { type NamedPicture, readPicture } from "./start.js";

/** What one of the networks that steer follows, and how it acts. What is undefined is the pipeline's default. */
export interface Control {
  readonly image: NamedPicture;
  readonly scale: number | undefined;
  /** The share of the steps at which it begins to act. */
  readonly start: number | undefined;
  /** The share of the steps at which it ends. */
  readonly end: number | undefined;
}

/** Decodes the pictures that steer, and gives each its settings. @throws ArgumentError for one that cannot be decoded */
export async function readControls(request: RunRequest): Promise<readonly Control[]> {
  const { controlImage, controlnetConditioningScale: scale, controlGuidanceStart: start, controlGuidanceEnd: end } = request;
  const images = await Promise.all(listOf(controlImage).map((each) => readPicture("controlImage", each)));
  return images.map((image, i) => ({ image, scale: valueFor(scale, i), start: valueFor(start, i), end: valueFor(end, i) }));
}

/** A setting's value for the network `i`: its own, or the one for all. */
function valueFor<Value>(setting: Value | readonly Value[] | undefined, i: number): Value | undefined {
  const list = listOf(setting);
  return list.length === 1 ? list[0] : list[i];
}
