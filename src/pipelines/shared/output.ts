import { type Picture, pictures } from "../../image/picture.js";
import { oneOf } from "../../options/fields.js";
import type { Tensor } from "../../tensor/tensor.js";

const OUTPUT_TYPES = ["image", "tensor", "latent"] as const;

/** The kind of result: finished pictures, float pictures [batch, 3, height, width] in 0..1, or latents [batch, channels, height, width]. */
export type OutputType = (typeof OUTPUT_TYPES)[number];

export const OUTPUT_TYPE = oneOf(...OUTPUT_TYPES);

/** The result of a call. */
export interface PipelineOutput<Output extends OutputType> {
  /** Finished pictures, or a tensor [batch, channels, height, width]. */
  readonly images: Output extends "image" ? Picture[] : Tensor;
  /** Initial seeds of the generators: one for the batch, or one for each picture. The same seeds make the same pictures again. */
  readonly seeds: readonly bigint[];
  /** For each picture, whether the safety checker made it black; undefined without a safety checker. */
  readonly nsfwContentDetected?: readonly boolean[] | undefined;
}

/** The pictures of the tensor, each changed by `retouch`, or the tensor itself. */
export function outputOf<Output extends OutputType>(
  images: Tensor,
  outputType: OutputType,
  retouch: (picture: Picture, index: number) => Picture = (picture) => picture,
): PipelineOutput<Output>["images"] {
  return (outputType === "image" ? pictures(images).map(retouch) : images) as PipelineOutput<Output>["images"];
}
