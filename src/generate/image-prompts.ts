import { ArgumentError } from "../errors.js";
import { loadMask } from "../image/load-image.js";
import type { IPAdapterScale } from "../models/ip-adapter-scales.js";
import type { KnownFamily } from "./families.js";
import {
  hasParts,
  type ImagePromptMasks,
  type ImagePromptPictures,
  type ImagePromptRequest,
  type ImagePromptScales,
  multiplied,
} from "./image-prompt-request.js";
import { listOf } from "./list-of.js";
import type { PictureInput } from "./picture-input.js";
import type { RunRequest } from "./run-request.js";
import { type NamedPicture, readPicture } from "./start.js";

/** What one IP-Adapter gets in a run. */
export interface ImagePrompt {
  readonly images: readonly NamedPicture[];
  /** One for each picture; undefined if they act everywhere. */
  readonly masks: readonly NamedPicture[] | undefined;
}

/** Decodes the pictures and masks of IP-Adapters. @throws ArgumentError for one that cannot be decoded */
export async function readImagePrompts({ ipAdapterImage, ipAdapterMasks }: RunRequest): Promise<readonly ImagePrompt[]> {
  const masks = listOf<ImagePromptMasks>(ipAdapterMasks);
  return Promise.all(
    listOf<ImagePromptPictures>(ipAdapterImage).map(async (pictures, i) => ({
      images: await Promise.all(listOf<PictureInput>(pictures).map((each) => readPicture("ipAdapterImage", each))),
      masks: await masksOf(masks[i]),
    })),
  );
}

async function masksOf(masks: ImagePromptMasks | undefined): Promise<ImagePrompt["masks"]> {
  if (masks === null || masks === undefined) return undefined;
  return Promise.all(listOf<PictureInput>(masks).map((each) => readPicture("ipAdapterMasks", each, loadMask)));
}

/** How strongly each of `count` IP-Adapters acts, as `setIPAdapterScale` takes it. */
export function imagePromptScales({ ipAdapterScale }: ImagePromptRequest, count: number, family: KnownFamily): readonly IPAdapterScale[] {
  const scales = listOf<ImagePromptScales>(ipAdapterScale).map((scale) => scaleByBlock(scale, family));
  return Array.from({ length: count }, (_, i) => (scales.length === 1 ? scales[0] : scales[i]) ?? 1);
}

/** @throws ArgumentError for scales by part, if the family's blocks for them are not known. */
export function checkImagePromptScales({ ipAdapterScale }: ImagePromptRequest, { name, imagePromptParts }: KnownFamily): void {
  if (imagePromptParts || !listOf<ImagePromptScales>(ipAdapterScale).some(hasParts)) return;
  throw new ArgumentError(
    (option) => `${option("scale", { code: "ipAdapterScale" })} has style or layout, and ${name} has no blocks of its UNet for them`,
    {
      argument: "ipAdapterScale",
      hint: (option) =>
        `they are for Stable Diffusion XL; name the blocks instead: ${option("scale", { value: `'{"up":{"block_1":1}}'`, code: "ipAdapterScale: { up: { block_1: 1 } }" })}`,
    },
  );
}

/** An error of a run; if it is about blocks that the request's style or layout stands for, with the request's words before it. */
export function inWordsOfParts(error: unknown, { ipAdapterScale }: ImagePromptRequest): unknown {
  if (!(error instanceof ArgumentError) || error.argument !== "ipAdapterScale") return error;
  const given = listOf<ImagePromptScales>(ipAdapterScale).find(hasParts);
  if (given === undefined) return error;
  const parts = Object.keys(given).join(" and ");
  return new ArgumentError(
    (option) =>
      `${option("scale", { code: "ipAdapterScale" })} has ${parts}, for blocks of Stable Diffusion XL that this UNet does not have: ${error.spell(option).message}`,
    {
      argument: "ipAdapterScale",
      hint: (option) =>
        `name this UNet's blocks instead: ${option("scale", { value: `'{"up":{"block_1":1}}'`, code: "ipAdapterScale: { up: { block_1: 1 } }" })}`,
      cause: error,
    },
  );
}

function scaleByBlock(scale: ImagePromptScales, { imagePromptParts }: KnownFamily): IPAdapterScale {
  if (!hasParts(scale)) return scale;
  const { style, layout } = scale;
  return {
    ...(style !== undefined && multiplied(imagePromptParts?.style, style)),
    ...(layout !== undefined && multiplied(imagePromptParts?.layout, layout)),
  };
}
