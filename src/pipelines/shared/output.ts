import type { Picture } from "../../image/picture.js";
import { oneOf } from "../../options/fields.js";
import type { Tensor } from "../../tensor/tensor.js";

const OUTPUT_TYPES = ["image", "tensor", "latent"] as const;

/** What a call gives: finished pictures, float pictures [batch, 3, height, width] in 0..1, or latents [batch, channels, height, width]. */
export type OutputType = (typeof OUTPUT_TYPES)[number];

export const OUTPUT_TYPE = oneOf(...OUTPUT_TYPES);

/** What a call of a pipeline gives. */
export interface PipelineOutput<Output extends OutputType> {
  /** Finished pictures, or a tensor [batch, channels, height, width]. */
  readonly images: Output extends "image" ? Picture[] : Tensor;
  /** Initial seeds of the generators: one for the batch, or one for each picture. Enough to make the pictures again. */
  readonly seeds: readonly bigint[];
  /** For each picture, whether the safety checker blacked it out; only where there is one. */
  readonly nsfwContentDetected?: readonly boolean[] | undefined;
}
