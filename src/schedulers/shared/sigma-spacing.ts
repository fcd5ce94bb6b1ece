import { ArgumentError } from "../../errors.js";
import { f32, linspaceFloat32 } from "../float32/arithmetic.js";
import { logNumpy } from "../float32/exp-log.js";
import { betaQuantile } from "./beta-distribution.js";
import { linspace } from "./timestep-spacing.js";

/** The noisiest and the cleanest sigma of a schedule. */
export interface SigmaRange {
  readonly min: number;
  readonly max: number;
}

/** Which named spacing replaces the sigmas of the timesteps; at most one flag is set. */
export interface SpacingFlags {
  readonly useKarrasSigmas: boolean;
  readonly useExponentialSigmas: boolean;
  readonly useBetaSigmas: boolean;
}

/**
 * The ends of a named spacing: the config's `sigmaMin` and `sigmaMax` if it has them, else those of the schedule. As in diffusers, they
 * count even if the config only keeps them for another class.
 */
export function sigmaRange(config: object, { min, max }: SigmaRange): SigmaRange {
  const { sigmaMin, sigmaMax } = config as { readonly sigmaMin?: number | null; readonly sigmaMax?: number | null };
  return { min: sigmaMin ?? min, max: sigmaMax ?? max };
}

/** The config's spacing as a function of range and steps; undefined if it has none. */
export function namedSpacing(flags: SpacingFlags): ((range: SigmaRange, steps: number) => number[]) | undefined {
  if (flags.useKarrasSigmas) return karrasSigmas;
  if (flags.useExponentialSigmas) return exponentialSigmas;
  if (flags.useBetaSigmas) return betaSigmas;
  return undefined;
}

/** Sigmas uniform in sigma^(1/rho) (Karras et al. 2022, equation 5; rho 7 is the paper's), noisiest first. */
export function karrasSigmas({ min, max }: SigmaRange, steps: number, rho = 7): number[] {
  const [noisy, clean] = [max ** (1 / rho), min ** (1 / rho)];
  return linspace(0, 1, steps).map((ramp) => (noisy + ramp * (clean - noisy)) ** rho);
}

/** As `karrasSigmas`, rounded to float32 at every operation, as k-diffusion computes with torch. */
export function karrasSigmasFloat32({ min, max }: SigmaRange, steps: number, rho = 7): number[] {
  const [noisy, clean] = [max ** (1 / rho), min ** (1 / rho)];
  return Array.from(linspaceFloat32(0, 1, steps), (ramp) => f32(f32(f32(noisy) + f32(ramp * f32(clean - noisy))) ** rho));
}

/** Sigmas uniform in log sigma, noisiest first. */
export function exponentialSigmas({ min, max }: SigmaRange, steps: number): number[] {
  return linspace(Math.log(max), Math.log(min), steps).map(Math.exp);
}

/** Sigmas spread as the quantiles of a Beta(0.6, 0.6) distribution ("Beta Sampling is All You Need", Lee et al. 2024), noisiest first. */
export function betaSigmas({ min, max }: SigmaRange, steps: number, alpha = 0.6, beta = 0.6): number[] {
  return linspace(0, 1, steps).map((ramp) => min + betaQuantile(1 - ramp, alpha, beta) * (max - min));
}

/** Log sigmas spaced uniformly (uniform log-SNR, Lu et al. 2022, section 4), noisiest first. */
export function luLambdas(noisiest: number, cleanest: number, steps: number): number[] {
  return linspace(0, 1, steps).map((ramp) => noisiest + ramp * (cleanest - noisiest));
}

/** Rounds every intermediate result: to float32 if diffusers computes in float32, not at all if it computes in double precision. */
export type Rounding = (x: number) => number;
const exact: Rounding = (x) => x;

/** Moves flow-matching times towards the noisy end (Esser et al. 2024, equation 23); `shift` 1 changes nothing. */
export function shiftFlowSigma(sigma: number, shift: number, round = exact): number {
  return round(round(round(shift) * sigma) / round(1 + round(round(shift - 1) * sigma)));
}

/**
 * The shift that depends on picture size (FLUX): `weight / (weight + 1/sigma - 1)`, with weight exp(mu) ("exponential") or mu ("linear").
 */
export function shiftFlowSigmaByMu(sigma: number, mu: number, type: "exponential" | "linear", round = exact): number {
  const weight = round(type === "exponential" ? Math.exp(mu) : mu);
  return round(weight / round(weight + round(round(1 / sigma) - 1)));
}

/** Stretches flow-matching sigmas so that the last one is `terminal` (LTX-Video). @throws ArgumentError if the last one is 1 */
export function stretchToTerminal(sigmas: readonly number[], terminal: number, round = exact): number[] {
  // The distance of the last one from 1 is what is scaled.
  if (sigmas.at(-1) === 1) {
    throw new ArgumentError(`with ${sigmas.length} step(s) the last sigma is 1, which cannot become shift_terminal, ${terminal}`, {
      hint: "take at least 2 steps (numInferenceSteps), or a scheduler without shift_terminal",
    });
  }
  const scale = round(round(1 - (sigmas.at(-1) ?? 0)) / round(1 - terminal));
  return sigmas.map((sigma) => round(1 - round(round(1 - sigma) / scale)));
}

/** The training sigmas at (fractional) timesteps, as `np.interp`. */
export function sigmasAt(timesteps: readonly number[], sigmas: Float32Array): number[] {
  const last = sigmas.length - 1;
  return timesteps.map((t) => {
    if (t <= 0) return sigmas[0] as number;
    if (t >= last) return sigmas[last] as number;
    const below = Math.floor(t);
    const [low, high] = [sigmas[below] as number, sigmas[below + 1] as number];
    return (high - low) * (t - below) + low;
  });
}

/** Natural logarithms of the training sigmas with numpy's float32 rounding. */
export function logSigmasOf(sigmas: Float32Array): Float32Array {
  return sigmas.map(logNumpy);
}

/**
 * The (fractional) timestep whose training sigma is `sigma`: the inverse of `sigmasAt`, linear in log sigma.
 * `logSigmas` ascend from timestep 0. Numpy's mixed precision is kept: float32 tables give float32 differences.
 */
export function timestepOfSigma(sigma: number, logSigmas: Float32Array | readonly number[]): number {
  return interpolateTimestep(Math.log(Math.max(sigma, 1e-10)), logSigmas, (x) => x);
}

/** As `timestepOfSigma`, for sigmas in float32: numpy then computes the weights in float32. */
export function timestepOfFloat32Sigma(sigma: number, logSigmas: Float32Array): number {
  return interpolateTimestep(logNumpy(Math.max(sigma, 1e-10)), logSigmas, f32);
}

/** As `timestepOfSigma`, where diffusers computes with float32 tensors: everything is rounded to float32. */
export function timestepOfTensorSigma(sigma: number, logSigmas: Float32Array): number {
  return interpolateTimestep(logNumpy(Math.max(sigma, 1e-10)), logSigmas, f32, f32);
}

function interpolateTimestep(
  logSigma: number,
  logSigmas: Float32Array | readonly number[],
  round: Rounding,
  roundTimestep: Rounding = exact,
): number {
  const length = logSigmas.length;
  let below = length - 1;
  while (below > 0 && !(logSigma >= (logSigmas[below] as number))) below--;
  below = Math.min(below, length - 2);
  const [low, high] = [logSigmas[below] as number, logSigmas[below + 1] as number];
  const gap = logSigmas instanceof Float32Array ? f32(low - high) : low - high;
  const weight = Math.min(Math.max(round(round(low - logSigma) / gap), 0), 1);
  return roundTimestep(roundTimestep(round(1 - weight) * below) + roundTimestep(weight * (below + 1)));
}
