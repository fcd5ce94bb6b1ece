import type { Tensor } from "../../tensor/tensor.js";
import { f32 } from "../float32/arithmetic.js";
import { sqrtTorch } from "../float32/sqrt.js";
import { atTimestep } from "./noise-schedule.js";
import { expectVelocity, mixRows } from "./scheduler.js";

/** `sqrt(alphaCumprod) * original + sqrt(1 - alphaCumprod) * noise` (Ho et al. 2020, equation 4). */
export function diffuse(alphasCumprod: Float32Array, original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
  return mixRows(original, noise, timesteps, (timestep) => {
    const alphaCumprod = atTimestep(alphasCumprod, timestep);
    return [sqrtTorch(alphaCumprod), sqrtTorch(f32(1 - alphaCumprod))];
  });
}

/** `sqrt(alphaCumprod) * noise - sqrt(1 - alphaCumprod) * sample`, the v of Salimans & Ho 2022. */
export function velocity(alphasCumprod: Float32Array, sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
  expectVelocity(sample, noise, timesteps);
  return mixRows(noise, sample, timesteps, (timestep) => {
    const alphaCumprod = atTimestep(alphasCumprod, timestep);
    return [sqrtTorch(alphaCumprod), -sqrtTorch(f32(1 - alphaCumprod))];
  });
}
