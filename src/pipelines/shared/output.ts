import { type Picture, pictures } from "../../image/picture.js";
import { oneOf } from "../../options/fields.js";
import type { DType } from "../../tensor/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";

const PIXEL_OUTPUT_TYPES = ["image", "tensor", "np", "uint8"] as const satisfies readonly PixelOutputType[];
const OUTPUT_TYPES = [...PIXEL_OUTPUT_TYPES, "latent"] as const;

/**
 * The kind of finished pictures. "image" (diffusers' "pil"): pictures. "tensor" (diffusers' "pt"): floats in 0..1 [batch, channels, height,
 * width]. "np": the same floats in numpy's order [batch, height, width, channels]. "uint8": 0..255 in that order, as pictures have them.
 */
export type PixelOutputType = "image" | "tensor" | "np" | "uint8";

/** The kind of result: one of {@link PixelOutputType}, or "latent": latents [batch, channels, height, width]. */
export type OutputType = (typeof OUTPUT_TYPES)[number];

export const PIXEL_OUTPUT_TYPE = oneOf(...PIXEL_OUTPUT_TYPES);
export const OUTPUT_TYPE = oneOf(...OUTPUT_TYPES);

/** The result of a call. */
export interface PipelineOutput<Output extends OutputType> {
  /** Finished pictures, or a tensor. */
  readonly images: Output extends "image" ? Picture[] : Output extends "uint8" ? Tensor<"uint8"> : Tensor;
  /** Initial seeds of the generators: one for the batch, or one for each picture. The same seeds make the same pictures again. */
  readonly seeds: readonly bigint[];
  /** For each picture, whether the safety checker made it black; undefined without a safety checker. */
  readonly nsfwContentDetected?: readonly boolean[] | undefined;
}

/** The pictures of the tensor, each changed by `retouch`, or the tensor itself in the wanted order. */
export async function outputOf<Output extends OutputType>(
  images: Tensor,
  outputType: OutputType,
  retouch: (picture: Picture, index: number) => Picture = (picture) => picture,
): Promise<PipelineOutput<Output>["images"]> {
  const output = async (): Promise<Picture[] | Tensor<DType>> => {
    switch (outputType) {
      case "image":
        return (await pictures(images)).map(retouch);
      case "np":
        return images.permute(0, 2, 3, 1);
      case "uint8":
        return images.clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).to("uint8");
      case "tensor":
      case "latent":
        return images;
    }
  };
  return (await output()) as PipelineOutput<Output>["images"];
}
