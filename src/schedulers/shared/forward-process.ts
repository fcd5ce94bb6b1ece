import { ArgumentError } from "../../errors.js";
import { expectField } from "../../options/check-options.js";
import { numbers, tensor } from "../../options/fields.js";
import { concat, type Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { sqrtTorch } from "../float32/sqrt.js";
import { atTimestep } from "./noise-schedule.js";

const TIMESTEPS = numbers();

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

/** @throws ArgumentError unless the arguments of `getVelocity` are tensors and timesteps. */
export function expectVelocity(sample: Tensor, noise: Tensor, timesteps: readonly number[]): void {
  expectField("sample", sample, tensor);
  expectField("noise", noise, tensor);
  expectField("timesteps", timesteps, TIMESTEPS);
}

/** `weightsOf(timestep)[0] * a + weightsOf(timestep)[1] * b`, row by row. A single timestep applies to all rows. */
export function mixRows(
  a: Tensor,
  b: Tensor,
  timesteps: readonly number[],
  weightsOf: (timestep: number) => readonly [number, number],
): Tensor {
  const rows = a.shape[0] ?? 1;
  if (timesteps.length !== 1 && timesteps.length !== rows) {
    throw new ArgumentError(`${timesteps.length} timesteps were given for a batch of ${rows}; expected 1 or ${rows}`);
  }
  const mix = (one: Tensor, other: Tensor, timestep: number) => {
    const [first, second] = weightsOf(timestep);
    return sumFloat32([first, one], [second, other]);
  };
  if (timesteps.length === 1) return mix(a, b, timesteps[0] as number);
  return concat(timesteps.map((timestep, i) => mix(a.slice(i, i + 1), b.slice(i, i + 1), timestep)));
}
