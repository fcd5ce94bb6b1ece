import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { f32, sumFloat32 } from "../float32/arithmetic.js";
import { type AlgorithmType, DPMSolver, type DPMSolverConfig, solverWeights } from "./dpm-solver.js";
import type { NoiseLevel } from "./noise-level.js";
import type { StepOptions, StepOutput } from "./scheduler.js";

/** DPM-Solver as a multistep method, from noise to picture or back: Lu et al. 2022 (arXiv:2211.01095), Algorithm 2. */
export abstract class MultistepDPMSolver<Config extends DPMSolverConfig = DPMSolverConfig> extends DPMSolver<Config> {
  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput {
    this.requirePlan(this.planned);
    const index = this.currentIndex(timestep);
    const converted = this.convert(modelOutput, sample, this.level(index));
    const order = this.orderAt(index, this.outputs.length + 1);
    this.remember(converted, this.config.solverOrder);
    const noise = this.isStochastic ? this.noise(converted.shape, options) : undefined;
    this.stepIndex = index + 1;
    const levels = Array.from({ length: order + 1 }, (_, i) => this.level(index + 1 - i));
    return { prevSample: multistepUpdate(this.config, levels, this.outputs, sample, noise) };
  }

  /** The order of a step when `known` outputs are there for it: lower in the first steps, and in the last ones as the config says. */
  protected abstract orderAt(index: number, known: number): number;

  /** @throws ArgumentError if the run has steps of an order that the algorithm does not have. */
  protected refuseMissingOrders(missing: readonly DPMSolverConfig["algorithmType"][] = ["sde-dpmsolver"]): void {
    const { algorithmType, solverOrder } = this.config;
    if (missing.includes(algorithmType) && this.timesteps.some((_, i) => this.orderAt(i, i + 1) > 2)) {
      throw new ArgumentError(`${this.className}: algorithm_type "${algorithmType}" has no third order; solver_order is ${solverOrder}`);
    }
  }
}

/** Which of the multistep formulas. */
export interface MultistepFormula {
  readonly algorithmType: AlgorithmType;
  readonly solverType: "midpoint" | "heun";
}

/**
 * The sample moved over one step. `levels` are where the step ends, where it begins, and before; there is one more than the order of the step,
 * which takes as many of the `outputs`, newest first.
 */
export function multistepUpdate(
  { algorithmType, solverType }: MultistepFormula,
  levels: readonly NoiseLevel[],
  outputs: readonly Tensor[],
  sample: Tensor,
  noise: Tensor | undefined,
): Tensor {
  const [to, from, before, earlier] = levels as [NoiseLevel, NoiseLevel, NoiseLevel?, NoiseLevel?];
  const h = f32(to.lambda - from.lambda);
  const weights = solverWeights(algorithmType, to, from, h);
  const [m0, m1, m2] = outputs as [Tensor, Tensor, Tensor];
  const terms: [number, Tensor][] = [
    [weights.sample, sample],
    [weights.d0, m0],
  ];
  if (noise) terms.push([weights.noise, noise]);
  if (!before) return sumFloat32(...terms);

  // Differences of the outputs over differences of lambda stand for the derivatives.
  const r0 = f32(f32(from.lambda - before.lambda) / h);
  const slope = sumFloat32([1 / r0, m0], [-1 / r0, m1]);
  if (!earlier) return sumFloat32(...terms, [solverType === "midpoint" ? weights.d0 / 2 : weights.d1, slope]);

  const r1 = f32(f32(before.lambda - earlier.lambda) / h);
  const olderSlope = sumFloat32([1 / r1, m1], [-1 / r1, m2]);
  const change = slope.sub(olderSlope);
  return sumFloat32(...terms, [weights.d1, slope], [(weights.d1 * r0) / (r0 + r1), change], [weights.d2 / (r0 + r1), change]);
}
