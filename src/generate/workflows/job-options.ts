import { resize } from "../../image/resize.js";
import { expectSize } from "../../pipelines/shared/arguments.js";
import { familyOptionsOf } from "../family-request.js";
import type { ImageStart, MaskStart } from "../start.js";
import type { Job } from "./workflow.js";

/** What is needed to know a pipeline's sizes. */
export interface Sized {
  readonly vaeScaleFactor: number;
}

/** The prompts and how to read them; the same for a base and its refiner. */
export function textOptions(job: Job) {
  const { prompt = "", negativePrompt, promptSyntax = "plain", numInferenceSteps, guidanceScale, guidanceRescale, clipSkip, cache } = job;
  const { timesteps, sigmas, guidanceInterval, freeU, tokenMerging, eta, pagScale, pagAdaptiveScale, pagAppliedLayers, onStepEnd } = job;
  const pag = pagScale ? { pagScale, pagAdaptiveScale, pagAppliedLayers } : {};
  const steered = {
    ...pag,
    ...(onStepEnd && { onStepEnd }),
    ...(guidanceInterval && { guidanceInterval }),
    ...(freeU && { freeU }),
    ...(tokenMerging && { tokenMerging }),
    ...(eta !== undefined && { eta }),
  };
  const levels = { ...steered, ...(timesteps && { timesteps }), ...(sigmas && { sigmas }), ...(cache && { cache }) };
  const common = { promptSyntax, numInferenceSteps, guidanceScale, guidanceRescale, clipSkip, ...levels };
  return { prompt, negativePrompt, ...common, ...familyOptionsOf(job) };
}

/** The prompts: texts, and pictures for IP-Adapters. Not for a refiner, whose UNet has no IP-Adapters. */
export function promptOptions(job: Job) {
  const { imagePrompts, imagePromptScales } = job;
  if (imagePrompts.length === 0) return textOptions(job);
  return {
    ...textOptions(job),
    ipAdapterImage: imagePrompts.map(({ images }) => images.map(({ picture }) => picture)),
    ipAdapterScale: imagePromptScales,
    ...(imagePrompts.some(({ masks }) => masks) && {
      ipAdapterMasks: imagePrompts.map(({ masks }) => masks?.map(({ picture }) => picture) ?? null),
    }),
  };
}

/** The prompts and steps of a pipeline with a transformer, which has fewer options. */
export function flowOptions(job: Job) {
  const { prompt = "", negativePrompt, numInferenceSteps, guidanceScale, guidanceInterval, cache, timesteps, sigmas, onStepEnd } = job;
  return {
    ...{ prompt, negativePrompt, numInferenceSteps, guidanceScale },
    ...familyOptionsOf(job),
    ...(onStepEnd && { onStepEnd }),
    ...(guidanceInterval && { guidanceInterval }),
    ...(cache && { cache }),
    ...(timesteps && { timesteps }),
    ...(sigmas && { sigmas }),
  };
}

/** The picture that such a pipeline starts from. It resizes the picture itself. */
export function flowImageOptions({ image: { picture }, latents }: ImageStart, { width, height, strength }: Job) {
  return { image: latents ?? picture, strength, ...(latents ? {} : { width, height }) };
}

/** The size of a picture made from noise. */
export function sizeOptions({ width, height }: Job) {
  return { width, height };
}

/** The result is as large as the picture: for another size, the picture is resized. */
export function imageOptions({ image: { picture }, latents }: ImageStart, { width, height, strength }: Job, { vaeScaleFactor }: Sized) {
  if (latents) return { image: latents, strength };
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
