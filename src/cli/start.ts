import { ArgumentError } from "../errors.js";
import type { Picture } from "../image/picture.js";

/** Noise alone. */
export interface NoiseStart {
  readonly kind: "noise";
}

/** Image to image. */
export interface ImageStart<Image> {
  readonly kind: "image";
  readonly image: Image;
  /** How much of it is forgotten, 0..1; undefined for diffusers' default. */
  readonly strength: number | undefined;
}

/** Inpainting. */
export interface MaskStart<Image> {
  readonly kind: "mask";
  readonly image: Image;
  readonly mask: Image;
  readonly strength: number | undefined;
  /** Work on the part around the mask only, so many pixels wider on every side. */
  readonly padding: number | undefined;
}

/** Noise under the control of pictures. */
export interface ControlStart<Image> {
  readonly kind: "control";
  readonly controls: readonly Control<Image>[];
}

/** A ControlNet and what it is shown. */
export interface Control<Image> {
  /** The ControlNet's folder or file. */
  readonly folder: string;
  readonly image: Image;
  readonly scale: number;
}

/** What a picture is made of beside the prompt; images are paths or web addresses at first, pictures once they are read. */
export type Start<Image> = NoiseStart | ImageStart<Image> | MaskStart<Image> | ControlStart<Image>;

/** What is ready to start from. */
export type ReadStart = Start<Picture>;

/** The options that say where to start. */
export interface StartOptions {
  readonly image?: string;
  readonly strength?: number;
  readonly mask?: string;
  readonly maskPadding?: number;
  readonly control?: readonly string[];
  readonly controlImage?: readonly string[];
  readonly controlScale?: readonly number[];
}

/** Options that `checkCombinations` found to go together. @throws ArgumentError if there are more ControlNets than pictures, or the other way round. */
export function toStart({
  image,
  mask,
  strength,
  maskPadding,
  control,
  controlImage = [],
  controlScale = [],
}: StartOptions): Start<string> {
  if (control) return { kind: "control", controls: pairControls(control, controlImage, controlScale) };
  if (image === undefined) return { kind: "noise" };
  if (mask === undefined) return { kind: "image", image, strength };
  return { kind: "mask", image, mask, strength, padding: maskPadding };
}

function pairControls(folders: readonly string[], images: readonly string[], scales: readonly number[]): Control<string>[] {
  if (images.length !== folders.length) {
    throw new ArgumentError(
      `--control is given ${times(folders)} and --control-image ${times(images)}; expected a picture for each ControlNet`,
      {
        hint: "pairs go in order: --control CANNY --control-image edges.png --control DEPTH --control-image depth.png",
      },
    );
  }
  if (scales.length > 1 && scales.length !== folders.length) {
    throw new ArgumentError(
      `--control-scale is given ${times(scales)} and --control ${times(folders)}; expected one for all, or one for each`,
    );
  }
  return folders.map((folder, i) => ({ folder, image: images[i] ?? "", scale: scales[i] ?? scales[0] ?? 1 }));
}

function times({ length }: readonly unknown[]): string {
  return length === 1 ? "once" : `${length} times`;
}
