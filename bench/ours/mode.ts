import type { AttentionSlice, PipelineOptions, StableDiffusionRequest } from "darkroom";

/** A way of Darkroom to work: how checkpoints are opened, the ways to save memory that are methods, and what is asked of a picture. */
export interface Mode extends PipelineOptions {
  readonly vaeSlicing?: boolean;
  readonly vaeTiling?: boolean;
  readonly attentionSlice?: AttentionSlice;
  readonly request?: Partial<Omit<StableDiffusionRequest, "outputType">>;
}
