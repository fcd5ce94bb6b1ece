import type { Picture } from "../../image/picture.js";
import { resize } from "../../image/resize.js";
import { expectSize } from "../../pipelines/shared/arguments.js";
import type { ImageStart, MaskStart } from "../start.js";
import type { Job } from "./workflow.js";

/** What is needed to know a pipeline's sizes. */
interface Sized {
  readonly vaeScaleFactor: number;
}

/** A pipeline whose network knows the size of latents that it was trained on. */
interface Trained extends Sized {
  readonly unet: { readonly sampleSize: readonly [height: number, width: number] };
}

/** The prompts and how to read them; the same for a base and its refiner. */
export function textOptions(job: Job) {
  const { prompt = "", negativePrompt, promptSyntax = "plain", numInferenceSteps, guidanceScale, guidanceRescale, clipSkip, cache } = job;
  const { timesteps, sigmas } = job;
  const levels = { ...(timesteps && { timesteps }), ...(sigmas && { sigmas }), ...(cache && { cache }) };
  return { prompt, negativePrompt, promptSyntax, numInferenceSteps, guidanceScale, guidanceRescale, clipSkip, ...levels };
}

/** The size of a picture made from noise. */
export function sizeOptions({ width, height }: Job) {
  return { width, height };
}

/** The result is as large as the picture: for another size, the picture is resized. */
export function imageOptions({ image: { picture } }: ImageStart, { width, height, strength }: Job, { vaeScaleFactor }: Sized) {
  if (width === undefined && height === undefined) return { image: picture, strength };
  const [newWidth, newHeight] = [width ?? picture.width, height ?? picture.height];
  expectSize(newWidth, newHeight, vaeScaleFactor);
  // As diffusers' VaeImageProcessor resizes.
  return { image: resize(picture, newWidth, newHeight, { resampling: "lanczos" }), strength };
}

/** The picture's own size by default; around a mask, the size that the checkpoint was trained on. */
export function maskOptions({ image, mask, padding }: MaskStart, { width, height, strength }: Job, { vaeScaleFactor }: Sized) {
  const floor = (side: number) => Math.max(Math.floor(side / vaeScaleFactor), 1) * vaeScaleFactor;
  const own = padding === undefined ? { width: floor(image.picture.width), height: floor(image.picture.height) } : {};
  return {
    image: image.picture,
    maskImage: mask.picture,
    paddingMaskCrop: padding,
    strength,
    ...own,
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
  };
}

/** How the networks that steer act. */
export function controlOptions({ controls, guessMode }: Job) {
  const perNet = (values: readonly (number | undefined)[]) => (values.every((value) => value === undefined) ? undefined : values);
  const filled = (values: readonly (number | undefined)[], usual: number) => perNet(values)?.map((value) => value ?? usual);
  return {
    controlnetConditioningScale: filled(
      controls.map(({ scale }) => scale),
      1,
    ),
    controlGuidanceStart: filled(
      controls.map(({ start }) => start),
      0,
    ),
    controlGuidanceEnd: filled(
      controls.map(({ end }) => end),
      1,
    ),
    guessMode,
  };
}

/** The pictures that steer: one, or a list with one for each network. */
export function controlPictures({ controls }: Job): Picture | readonly Picture[] {
  const pictures = controls.map(({ image }) => image.picture);
  return pictures.length === 1 ? (pictures[0] as Picture) : pictures;
}

/** {@link imageOptions} of a pipeline with control: the pictures that steer get the size of the picture to start from. */
export function controlledImageOptions(start: ImageStart, job: Job, pipe: Sized) {
  const { image, strength } = imageOptions(start, job, pipe);
  return { image, strength, width: image.width, height: image.height, controlImage: controlPictures(job) };
}

/** {@link maskOptions} of a pipeline with control. Without a size such a pipeline would work at the picture's own, also around a mask. */
export function controlledMaskOptions(start: MaskStart, job: Job, pipe: Trained) {
  const [height, width] = pipe.unet.sampleSize;
  const trained = { width: width * pipe.vaeScaleFactor, height: height * pipe.vaeScaleFactor };
  return { ...trained, ...maskOptions(start, job, pipe), controlImage: controlPictures(job) };
}
