import type { Picture } from "../../image/picture.js";
import { resize } from "../../image/resize.js";
import { Tensor } from "../../tensor/tensor.js";
import { preparedPicture } from "../control-pictures.js";
import type { ImageStart, MaskStart } from "../start.js";
import { imageOptions, maskOptions, type Sized } from "./job-options.js";
import type { Job } from "./workflow.js";

/** A pipeline whose network knows the size of latents that it was trained on. */
interface Trained extends Sized {
  readonly unet: { readonly sampleSize: readonly [height: number, width: number] };
}

/** How ControlNets act. */
export function controlOptions({ controls, guessMode }: Job) {
  const scales = controls.map(({ scale }) => scale);
  return {
    controlnetConditioningScale: given(scales, 1),
    controlGuidanceStart: controls.map(({ start }) => start ?? 0),
    controlGuidanceEnd: controls.map(({ end }) => end ?? 1),
    guessMode,
  };
}

/** How ControlNet Unions act. */
export function unionOptions(job: Job) {
  return { ...controlOptions(job), controlMode: job.controls.map(({ mode }) => mode ?? 0) };
}

/** How T2I-Adapters act. */
export function adapterOptions({ controls }: Job) {
  return {
    adapterConditioningScale: given(
      controls.map(({ scale }) => scale),
      1,
    ),
  };
}

/** The values; undefined if the request has none, so that the pipeline's default applies. */
function given(values: readonly (number | undefined)[], usual: number): readonly number[] | undefined {
  return values.every((value) => value === undefined) ? undefined : values.map((value) => value ?? usual);
}

/** The pictures that steer a run from noise: one, or a list with one for each network. */
export function controlPictures(job: Job): Picture | readonly Picture[] {
  return alone(job.controls.map((control) => preparedPicture(control, job)));
}

/** {@link imageOptions} of a pipeline with control: the pictures that steer get the size of the picture to start from. */
export function controlledImageOptions(start: ImageStart, job: Job, pipe: Sized) {
  const { image, strength } = imageOptions(start, job, pipe);
  // The picture that stands for latents has their size.
  const size = image instanceof Tensor ? start.image.picture : image;
  const { width, height } = size;
  return { image, strength, width, height, controlImage: alone(job.controls.map((control) => preparedPicture(control, size))) };
}

/** {@link maskOptions} of a pipeline with control. Without a size such a pipeline would work at the picture's own, also around a mask. */
export function controlledMaskOptions(start: MaskStart, job: Job, pipe: Trained) {
  const [height, width] = pipe.unet.sampleSize;
  const trained = { width: width * pipe.vaeScaleFactor, height: height * pipe.vaeScaleFactor };
  const options = { ...trained, ...maskOptions(start, job, pipe) };
  const { picture } = start.image;
  // Around a mask, the same part of all pictures is cut out: they must be of one size.
  const pictures = job.controls.map((control) =>
    start.padding === undefined
      ? preparedPicture(control, options)
      : resize(preparedPicture(control, picture), picture.width, picture.height, { resampling: "lanczos" }),
  );
  return { ...options, controlImage: alone(pictures) };
}

function alone(pictures: readonly Picture[]): Picture | readonly Picture[] {
  return pictures.length === 1 ? (pictures[0] as Picture) : pictures;
}
