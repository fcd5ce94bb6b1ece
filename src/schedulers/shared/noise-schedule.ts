import { ArgumentError } from "../../errors.js";
import { f32, linspaceFloat32 } from "../float32/arithmetic.js";
import { sqrtTorch } from "../float32/sqrt.js";

/** The beta schedules that every scheduler has. */
export const BETA_SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;

/** Beta schedules that only some schedulers have. */
export type RareBetaSchedule = "sigmoid" | "laplace" | "exp";

/** How the variances of the forward process are laid out over the training timesteps. */
export interface BetaConfig {
  readonly numTrainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: (typeof BETA_SCHEDULES)[number] | RareBetaSchedule;
  readonly trainedBetas: readonly number[] | null;
  readonly rescaleBetasZeroSnr?: boolean;
}

/** Keeps the first sigma finite when betas are rescaled to zero terminal SNR: float16's smallest subnormal, as in diffusers. */
const NEARLY_ZERO_ALPHA = 2 ** -24;

/** The cumulative products of `1 - beta` (alpha bar of Ho et al. 2020), in float32 as torch computes them. */
export function alphasCumprodOf(config: BetaConfig): Float32Array {
  const betas = betasOf(config);
  return cumprodOfAlphas(config.rescaleBetasZeroSnr ? rescaleZeroTerminalSnr(betas) : betas);
}

/** As `alphasCumprodOf`, for schedulers that divide by it: the zero at the end of zero terminal SNR is replaced by the smallest float16. */
export function positiveAlphasCumprodOf(config: BetaConfig): Float32Array {
  const alphasCumprod = alphasCumprodOf(config);
  if (config.rescaleBetasZeroSnr) alphasCumprod[alphasCumprod.length - 1] = NEARLY_ZERO_ALPHA;
  return alphasCumprod;
}

/** The noise level of every training timestep, `sqrt((1 - alphaCumprod) / alphaCumprod)` (Karras et al. 2022, "VE" scaling), ascending. */
export function trainingSigmas(alphasCumprod: Float32Array): Float32Array {
  return alphasCumprod.map((alpha) => sqrtTorch(f32(f32(1 - alpha) / alpha)));
}

/** The value at a training timestep. Negative timesteps count from the end, as in torch. */
export function atTimestep(values: Float32Array, timestep: number): number {
  const value = values.at(timestep);
  if (value === undefined || !Number.isInteger(timestep)) {
    throw new ArgumentError(`timestep ${timestep} is not one of the ${values.length} training timesteps (0 to ${values.length - 1})`, {
      hint: "fewer steps, or steps_offset 0 in the scheduler's config, keep timesteps in range",
    });
  }
  return value;
}

function betasOf({ betaSchedule, betaStart, betaEnd, numTrainTimesteps, trainedBetas }: BetaConfig): Float32Array {
  if (trainedBetas) return Float32Array.from(trainedBetas);
  switch (betaSchedule) {
    case "linear":
      return linspaceFloat32(betaStart, betaEnd, numTrainTimesteps);
    case "scaled_linear": // latent diffusion: linear in sqrt(beta)
      return linspaceFloat32(Math.sqrt(betaStart), Math.sqrt(betaEnd), numTrainTimesteps).map((root) => root * root);
    case "squaredcos_cap_v2":
      return betasFromAlphaBar(numTrainTimesteps, squaredCosine);
    case "laplace":
      return betasFromAlphaBar(numTrainTimesteps, laplace);
    case "exp":
      return betasFromAlphaBar(numTrainTimesteps, (t) => Math.exp(-12 * t));
    case "sigmoid": // GeoDiff
      return linspaceFloat32(-6, 6, numTrainTimesteps).map(
        (x) => f32(f32(1 / (1 + Math.exp(-x))) * f32(betaEnd - betaStart)) + f32(betaStart),
      );
  }
}

/** Betas that give the cumulative product `alphaBar` over time from 0 to 1, capped at 0.999. */
function betasFromAlphaBar(count: number, alphaBar: (t: number) => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), 0.999));
}

/** Nichol & Dhariwal 2021, equation 17. */
function squaredCosine(t: number): number {
  return Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
}

/** The log-SNR follows a Laplace distribution (Hang et al. 2024, "Improved Noise Schedule for Diffusion Training"). */
function laplace(t: number): number {
  const logSnr = (0.5 - t < 0 ? 0.5 : -0.5) * Math.log(1 - 2 * Math.abs(0.5 - t) + 1e-6);
  const snr = Math.exp(logSnr);
  return Math.sqrt(snr / (1 + snr));
}

/** Betas rescaled so that the last timestep is pure noise (Lin et al. 2023, "Common Diffusion Noise Schedules", Algorithm 1). */
function rescaleZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumprodOfAlphas(betas).map(sqrtTorch);
  const [first, last] = [roots.at(0) ?? 0, roots.at(-1) ?? 0];
  const stretch = f32(first / f32(first - last));
  const alphasBar = roots.map((root) => f32(f32(root - last) * stretch) ** 2);
  return alphasBar.map((alphaBar, i) => 1 - (i === 0 ? alphaBar : f32(alphaBar / (alphasBar[i - 1] as number))));
}

/** `torch.cumprod(1 - betas)`: torch multiplies in double and rounds each product it stores. */
function cumprodOfAlphas(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => {
    product *= f32(1 - beta);
    return product;
  });
}
