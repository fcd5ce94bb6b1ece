import { ArgumentError } from "../errors.js";
import type { StartName } from "../families/family.js";
import { loadImage, loadMask } from "../image/load-image.js";
import type { Picture } from "../image/picture.js";
import type { Tensor } from "../tensor/tensor.js";
import { listOf } from "./list-of.js";
import { lastName } from "./name-of.js";
import type { PictureInput } from "./picture-input.js";
import type { RunRequest } from "./run-request.js";

/** Noise alone. */
export interface NoiseStart {
  readonly kind: "noise";
}

/** Image to image. */
export interface ImageStart {
  readonly kind: "image";
  readonly image: NamedPicture;
  /** Further pictures to refer to, for checkpoints that take several. */
  readonly others?: readonly NamedPicture[] | undefined;
  /** Latents of the picture [1, channels, height / factor, width / factor], if they need not be encoded. */
  readonly latents?: Tensor | undefined;
  /** Its depth; only for checkpoints that see it. */
  readonly depth?: NamedPicture | undefined;
}

/** Inpainting. */
export interface MaskStart {
  readonly kind: "mask";
  readonly image: NamedPicture;
  readonly mask: NamedPicture;
  /** Pixels around the masked part that are worked on, too; undefined if the whole picture is. */
  readonly padding: number | undefined;
}

/** What a picture is made from, beside the prompt, with its pictures decoded. */
export type Start = NoiseStart | ImageStart | MaskStart;

/** A picture, and the name of its file. */
export interface NamedPicture {
  readonly picture: Picture;
  readonly name: string;
}

/** What a run starts from. */
export function startNameOf({ image, maskImage }: RunRequest): StartName {
  if (image === undefined) return "noise";
  return maskImage === undefined ? "image" : "mask";
}

/** Decodes the pictures to start from. @throws ArgumentError for one that cannot be decoded. */
export async function readStart({ image, maskImage, paddingMaskCrop, depthMap }: RunRequest): Promise<Start> {
  if (image === undefined) return { kind: "noise" };
  const [first, ...others] = await Promise.all(listOf(image).map((each) => readPicture("image", each)));
  const picture = first as NamedPicture;
  if (depthMap !== undefined) return { kind: "image", image: picture, depth: await readPicture("depthMap", depthMap, loadMask) };
  if (maskImage === undefined) return { kind: "image", image: picture, others };
  return { kind: "mask", image: picture, mask: await readPicture("maskImage", maskImage, loadMask), padding: paddingMaskCrop };
}

/** The picture that is given as `argument`. @throws ArgumentError for that argument if it cannot be decoded */
export async function readPicture(
  argument: "image" | "maskImage" | "controlImage" | "depthMap" | "ipAdapterImage" | "ipAdapterMasks",
  input: PictureInput,
  load: typeof loadImage = loadImage,
): Promise<NamedPicture> {
  const file = input instanceof File && input.name !== "" ? lastName(input.name) : undefined;
  try {
    const source = typeof input === "string" && !/^data:/i.test(input) ? fromBase64(input) : input;
    return { picture: await load(source), name: file ?? "data" };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const { message, hint } = error;
    // The name of a file says which picture it is. Bytes and texts have no name.
    throw new ArgumentError((name) => (file === undefined ? `${name(argument)}: ${message}` : message), { argument, hint, cause: error });
  }
}

function fromBase64(text: string): Uint8Array {
  try {
    // Addresses of the web use - and _ for + and /.
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new ArgumentError("the text is neither an image file in base64 nor a data URL", { cause });
  }
}
