import { concat, type Tensor } from "../../tensor/tensor.js";
import type { Call } from "./call.js";
import type { Denoiser } from "./denoiser.js";
import type { Predict } from "./denoising-loop.js";
import { guide } from "./guidance.js";
import { StepCache, type StepCacheOptions } from "./step-cache.js";

/** The inputs of the network besides the latents at each turn of the denoising loop. Turns count from 0. */
export interface Conditioning<Inputs extends object> {
  at(index: number): Inputs;
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
  { channels = () => [], combine = guide, perStep }: PredictorOptions<Inputs> = {},
): Predict {
  const cache = request.cache && request.cache.interval > 1 ? new StepCache(request.cache, scheduler) : undefined;
  return async (scaled, timestep, index) => {
    const { scale, isGuided } = guidance.at(index);
    const more = channels(isGuided);
    const input = more.length > 0 ? concat([repeated(scaled, more[0]?.shape[0] ?? 0), ...more], 1) : scaled;
    const { sample, deepFeature } = await denoiser.forward(input, timestep, {
      ...conditioning.at(index),
      ...(await perStep?.(scaled, timestep, index)),
      ...cache?.take(timestep, index, isGuided),
    });
    cache?.keep(deepFeature);
    if (!isGuided) return { sample };
    return {
      sample: combine(sample, scale),
      unconditional: scheduler.needsUnconditional ? sample.slice(0, scaled.shape[0]) : undefined,
    };
  };
}

/** The latents, one batch after another, with this many rows. */
function repeated(latents: Tensor, rows: number): Tensor {
  return concat(Array.from({ length: rows / (latents.shape[0] ?? 1) }, () => latents));
}
