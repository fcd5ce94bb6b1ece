// The formulas of DPM-Solver (Lu et al. 2022, arXiv:2206.00927) and DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095).
import type { Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { expTorch } from "../float32/exp-log.js";
import { sqrtTorch } from "../float32/sqrt.js";
import type { NoiseLevel, StepLevels } from "./noise-level.js";

/** The "++" types integrate the predicted picture, the others the predicted noise; the "sde" types add noise in every step. */
export type AlgorithmType = "dpmsolver" | "dpmsolver++" | "sde-dpmsolver" | "sde-dpmsolver++";

/** Which formulas a solver uses. */
export interface SolverFormula {
  readonly algorithmType: AlgorithmType;
  /** The form of the second order. */
  readonly solverType: "midpoint" | "heun";
}

/**
 * A multistep update (arXiv:2211.01095, Algorithm 2 and appendix A): the sample moved over one step. Its order is one less than the number
 * of `levels`. `outputs` are the model's at the levels where the steps began, newest first.
 */
export function multistepUpdate(
  { algorithmType, solverType }: SolverFormula,
  levels: StepLevels,
  outputs: readonly Tensor[],
  sample: Tensor,
  noise: Tensor | undefined,
): Tensor {
  const [to, from, before, earlier] = levels;
  const h = f32(to.lambda - from.lambda);
  const weights = solverWeights(algorithmType, to, from, h);
  const [m0, m1, m2] = outputs as [Tensor, Tensor, Tensor];
  const first: [number, Tensor][] = [
    [weights.sample, sample],
    [weights.d0, m0],
  ];
  if (noise) first.push([weights.noise, noise]);
  if (!before) return sumFloat32(...first);

  // Differences of the outputs over differences of lambda stand for the derivatives.
  const r0 = f32(f32(from.lambda - before.lambda) / h);
  const slope = sumFloat32([1 / r0, m0], [-1 / r0, m1]);
  if (!earlier) return sumFloat32(...first, [solverType === "midpoint" ? weights.d0 / 2 : weights.d1, slope]);

  const r1 = f32(f32(before.lambda - earlier.lambda) / h);
  const olderSlope = sumFloat32([1 / r1, m1], [-1 / r1, m2]);
  const change = slope.sub(olderSlope);
  return sumFloat32(...first, [weights.d1, slope], [(weights.d1 * r0) / (r0 + r1), change], [weights.d2 / (r0 + r1), change]);
}

/**
 * A singlestep update (arXiv:2206.00927, Algorithms 1 and 2): the sample at the beginning of a group of evaluations moved to the end of the
 * newest one. Its order is one less than the number of `levels`. `outputs` are the model's at the levels of the group, newest first.
 */
export function singlestepUpdate(
  { algorithmType, solverType }: SolverFormula,
  levels: StepLevels,
  outputs: readonly Tensor[],
  sample: Tensor,
  noise: Tensor | undefined,
): Tensor {
  const [to, ...evaluated] = levels;
  const [from, second, third] = evaluated.toReversed() as [NoiseLevel, NoiseLevel?, NoiseLevel?];
  const h = f32(to.lambda - from.lambda);
  const weights = solverWeights(algorithmType, to, from, h);
  const [m0, m1, m2] = outputs.toReversed() as [Tensor, Tensor, Tensor];
  const added: [number, Tensor][] = noise ? [[weights.noise, noise]] : [];
  const first: [number, Tensor][] = [
    [weights.sample, sample],
    [weights.d0, m0],
  ];
  if (!second) return sumFloat32(...first, ...added);

  /** The share of the step, in lambda, that lies before a level, and the slope from the group's beginning to there. */
  const share = (level: NoiseLevel) => f32(f32(level.lambda - from.lambda) / h);
  const slope = (output: Tensor, r: number) => output.sub(m0).mul(f32(1 / r));
  const r1 = share(second);
  if (!third) {
    const weight = solverType === "midpoint" ? 0.5 * weights.d0 : weights.d1;
    return sumFloat32(...first, [weight, slope(m1, r1)], ...added);
  }

  const r2 = share(third);
  const [slope1, slope2] = [slope(m1, r1), slope(m2, r2)];
  if (solverType === "midpoint") return sumFloat32(...first, [weights.d1, slope2], ...added);
  const derivative = sumFloat32([r2, slope1], [-r1, slope2]).div(f32(r2 - r1));
  const curvature = slope2
    .sub(slope1)
    .mul(2)
    .div(f32(r2 - r1));
  return sumFloat32(...first, [weights.d1, derivative], [weights.d2, curvature], ...added);
}

/**
 * The solver's exact integrals over one step of length `h` in lambda, for a constant (d0), linear (d1) and quadratic (d2) output, and the
 * weights of the sample and of added noise. Rounded as torch rounds: in short steps, large terms cancel.
 */
function solverWeights(kind: AlgorithmType, to: NoiseLevel, from: NoiseLevel, h: number) {
  const exp = expTorch;
  /** `(e^x - 1) / x - 1`, for a linear output. */
  const linear = (change: number, x: number) => f32(f32(change / x) - 1);
  /** `(e^x - 1 - x) / x^2 - 1/2`, for a quadratic one. */
  const quadratic = (change: number, x: number) => f32(f32(f32(change - x) / f32(x ** 2)) - 0.5);
  switch (kind) {
    case "dpmsolver++": {
      const change = f32(exp(-h) - 1);
      return {
        sample: to.sigma / from.sigma,
        d0: -to.alpha * change,
        d1: -to.alpha * linear(change, -h),
        d2: -to.alpha * quadratic(change, -h),
        noise: 0,
      };
    }
    case "dpmsolver": {
      const change = f32(exp(h) - 1);
      return {
        sample: to.alpha / from.alpha,
        d0: -to.sigma * change,
        d1: -to.sigma * linear(change, h),
        d2: -to.sigma * quadratic(change, h),
        noise: 0,
      };
    }
    case "sde-dpmsolver++": {
      const change = f32(exp(-2 * h) - 1);
      return {
        sample: f32(to.sigma / from.sigma) * exp(-h),
        d0: -to.alpha * change,
        d1: -to.alpha * linear(change, -2 * h),
        // diffusers has the quadratic remainder with the other sign on its first term.
        d2: to.alpha * quadratic(-change, 2 * h),
        noise: to.sigma * sqrtTorch(-change),
      };
    }
    case "sde-dpmsolver": {
      const change = f32(exp(h) - 1);
      return {
        sample: to.alpha / from.alpha,
        d0: -2 * to.sigma * change,
        d1: -2 * to.sigma * linear(change, h),
        d2: Number.NaN, // has no third order
        noise: to.sigma * sqrtTorch(f32(exp(2 * h) - 1)),
      };
    }
  }
}
