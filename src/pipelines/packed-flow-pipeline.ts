import { f32 } from "../schedulers/float32/arithmetic.js";
import type { Scheduler } from "../schedulers/shared/scheduler.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Size } from "./shared/arguments.js";
import type { DenoisingNetwork } from "./shared/denoiser.js";
import { evenSigmas } from "./shared/flow-timesteps.js";
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

/** What FLUX.1 and Chroma have in common: squares of 2 x 2 latents are tokens [batch, tokens, channels * 4]. */
export abstract class PackedFlowPipeline<Request extends TransformerRequest, Transformer extends PackedNetwork> extends TransformerPipeline<
  Request,
  Transformer
> {
  protected override readonly roundsSizes = true;
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

  /** A scheduler in flow mode chooses its noise levels itself. */
  protected override sigmas(steps: number, { config }: Scheduler): readonly number[] | undefined {
    return (config as { readonly useFlowSigmas?: boolean }).useFlowSigmas ? undefined : evenSigmas(steps);
  }

  /** Positions of the tokens of a picture of this size. */
  protected positions({ height, width }: Size): Tensor {
    return tokenPositions(height / this.sizeMultiple, width / this.sizeMultiple);
  }
}

/** The time of a timestep: 0 for a picture, 1 for noise. */
export function flowTime(timestep: number): number {
  return f32(timestep / 1000);
}
