import type { AttentionSlice, PipelineOptions, StableDiffusionRequest } from "darkroom";

/** A mode of Darkroom: options for opening checkpoints, methods that save memory, and options of a picture. */
export interface Mode extends PipelineOptions {
  readonly vaeSlicing?: boolean;
  readonly vaeTiling?: boolean;
  readonly attentionSlice?: AttentionSlice;
  readonly request?: Partial<Omit<StableDiffusionRequest, "outputType">>;
}
