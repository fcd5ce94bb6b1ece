import { concat, type Tensor } from "../../tensor/tensor.js";
import type { Call } from "./call.js";
import type { Denoiser } from "./denoiser.js";
import type { Predict } from "./denoising-loop.js";
import { guide } from "./guidance.js";
import type { TurnGuidance } from "./guidance-plan.js";
import { type StepCacheOptions, stepCacheOf } from "./step-cache.js";

/** The inputs of the network besides the latents at each turn of the denoising loop. Turns count from 0. */
export interface Conditioning<Inputs extends object> {
  at(index: number): Inputs;
}

/** Guidance by further predictions of the prompt, whose attention is perturbed. They come last. */
export interface PerturbedGuidance<Inputs extends object> {
  /** Its strength at a timestep; 0 if it is off. */
  scaleAt(timestep: number): number;
  /** The inputs with the further rows. */
  extended(inputs: Inputs, isGuided: boolean): Inputs;
  /** The guided prediction. */
  combine(prediction: Tensor, guidance: TurnGuidance & { readonly pagScale: number }): Tensor;
}

/** More inputs of the network. */
export interface PredictorOptions<Inputs extends object> {
  /**
   * Further channels of the input [batch, channels, height, width], or at a guided turn one batch after another for each part of the
   * prediction.
   */
  readonly channels?: ((isGuided: boolean) => readonly Tensor[]) | undefined;
  /** Combines the parts of a guided prediction; {@link guide} by default. */
  readonly combine?: ((prediction: Tensor, guidanceScale: number) => Tensor) | undefined;
  /** Adds predictions with perturbed attention, and guides by them. */
  readonly perturbed?: PerturbedGuidance<Inputs> | undefined;
  /** Makes inputs that change with the step, such as a ControlNet's residuals. */
  readonly perStep?: ((scaledLatents: Tensor, timestep: number, index: number) => Promise<Partial<Inputs>> | undefined) | undefined;
}

/**
 * A network's predictions in one call. At a guided turn the conditioning has twice as many rows as the latents, or more, the unconditional
 * part first; the predictions are combined.
 */
export function predictor<Inputs extends object>(
  denoiser: Denoiser<Inputs>,
  { request, scheduler, guidance }: Call<{ readonly cache?: StepCacheOptions | undefined }>,
  conditioning: Conditioning<Inputs>,
  { channels = () => [], combine = guide, perturbed, perStep }: PredictorOptions<Inputs> = {},
): Predict {
  const cache = stepCacheOf(request.cache, scheduler, denoiser.cachesFirstBlock);
  return async (scaled, timestep, index) => {
    const { scale, isGuided } = guidance.at(index);
    const more = channels(isGuided);
    const input = more.length > 0 ? concat([repeated(scaled, more[0]?.shape[0] ?? 0), ...more], 1) : scaled;
    const pagScale = perturbed?.scaleAt(timestep) ?? 0;
    const parts = (isGuided ? 2 : 1) + (pagScale > 0 ? 1 : 0);
    const inputs = { ...conditioning.at(index), ...(await perStep?.(scaled, timestep, index)) };
    const output = await denoiser.forward(input, timestep, {
      ...(perturbed && pagScale > 0 ? perturbed.extended(inputs, isGuided) : inputs),
      ...cache?.take(timestep, index, parts),
    });
    cache?.keep(output);
    const { sample } = output;
    const unconditional = scheduler.needsUnconditional ? sample.slice(0, scaled.shape[0]) : undefined;
    if (perturbed && pagScale > 0) return { sample: perturbed.combine(sample, { scale, isGuided, pagScale }), unconditional };
    return isGuided ? { sample: combine(sample, scale), unconditional } : { sample };
  };
}

/** The latents, one batch after another, with this many rows. */
function repeated(latents: Tensor, rows: number): Tensor {
  return concat(Array.from({ length: rows / (latents.shape[0] ?? 1) }, () => latents));
}
