import type { Tensor } from "../tensor/tensor.js";
import type { Size } from "./shared/arguments.js";
import type { DenoisingNetwork } from "./shared/denoiser.js";
import { packLatents, tokenPositions, unpackLatents } from "./shared/packing.js";
import { TransformerPipeline, type TransformerRequest } from "./transformer-pipeline.js";

/** A transformer whose config says how many numbers a token has. */
export interface PackedNetwork extends DenoisingNetwork {
  /** Its config. */
  readonly config: {
    /** Numbers of a token. */
    readonly inChannels: number;
  };
}

/** What FLUX.1, Chroma and Qwen-Image have in common: squares of 2 x 2 latents are tokens [batch, tokens, channels * 4]. */
export abstract class PackedFlowPipeline<Request extends TransformerRequest, Transformer extends PackedNetwork> extends TransformerPipeline<
  Request,
  Transformer
> {
  protected override readonly roundsSizes: boolean = true;
  protected override readonly takesPackedNoise: boolean = true;

  protected get noiseChannels(): number {
    return this.transformer.config.inChannels / 4;
  }

  protected override pack(latents: Tensor): Tensor {
    return packLatents(latents);
  }

  protected override unpack(latents: Tensor, { height, width }: Size): Tensor {
    return unpackLatents(latents, [height / this.vaeScaleFactor, width / this.vaeScaleFactor]);
  }

  /** Positions of the tokens of a picture of this size. */
  protected positions({ height, width }: Size): Tensor {
    return tokenPositions(height / this.sizeMultiple, width / this.sizeMultiple);
  }
}
