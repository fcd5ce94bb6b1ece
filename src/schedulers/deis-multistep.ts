import * as v from "valibot";
import type { Tensor } from "../tensor/tensor.js";
import { f32, sumFloat32 } from "./float32/arithmetic.js";
import { expTorch, logNumpy } from "./float32/exp-log.js";
import {
  betaFields,
  flag,
  flowFields,
  oneOf,
  oneOfOrForeign,
  oneSpacing,
  sigmaSpacingFields,
  spacingFields,
  thresholdFields,
  whole,
} from "./shared/config-fields.js";
import { LogSnrScheduler } from "./shared/log-snr-scheduler.js";
import { multistepOrder } from "./shared/multistep-order.js";
import type { NoiseLevel, StepLevels } from "./shared/noise-level.js";
import { noiseBetween, thresholdedOriginal } from "./shared/prediction.js";
import type { StepOutput, TimestepOptions } from "./shared/scheduler.js";
import { solverSchedule } from "./shared/solver-schedule.js";
import { solverTimesteps } from "./shared/timestep-spacing.js";

const schema = v.strictObject({
  ...betaFields(),
  /** 1 to 3; 2 is recommended with guidance. */
  solverOrder: whole(2, 1),
  /**
   * What the model predicts: "epsilon" (the noise), "sample" (the picture), "v_prediction" (the velocity), "flow_prediction" (the flow);
   * "epsilon" by default.
   */
  predictionType: oneOf(["epsilon", "sample", "v_prediction", "flow_prediction"], "epsilon"),
  ...thresholdFields(),
  /** The solver; DEIS has one. */
  algorithmType: oneOfOrForeign(["deis"], ["dpmsolver", "dpmsolver++"], "deis"),
  /** The variable of the polynomials; DEIS has one. */
  solverType: oneOfOrForeign(["logrho"], ["midpoint", "heun", "bh1", "bh2"], "logrho"),
  /** Lower the order in the last steps of runs shorter than 15 steps. */
  lowerOrderFinal: flag(true),
  ...sigmaSpacingFields(),
  ...flowFields(),
  ...spacingFields("linspace"),
  /** Shift sigmas by the `mu` given to `setTimesteps`; false by default. */
  useDynamicShifting: flag(false),
  /** How `mu` shifts sigmas under dynamic shifting; "exponential" by default. */
  timeShiftType: oneOf(["exponential"], "exponential"),
});

/** Config of a {@link DEISMultistepScheduler}, with its defaults filled in. @interface */
export type DEISMultistepConfig = v.InferOutput<typeof schema>;

/**
 * DEIS: a multistep exponential integrator that interpolates the noise prediction in log rho. Zhang & Chen 2023, "Fast Sampling of
 * Diffusion Models with Exponential Integrator" (arXiv:2204.13902), the log-rho Adams-Bashforth variant. Matches diffusers'
 * DEISMultistepScheduler.
 */
export class DEISMultistepScheduler extends LogSnrScheduler<DEISMultistepConfig> {
  static override readonly className = "DEISMultistepScheduler";
  static override readonly schema = schema;

  protected override readonly takes = ["mu"] as const;

  constructor(config: Partial<DEISMultistepConfig> = {}) {
    super(config);
    oneSpacing(this.className, this.config);
  }

  protected override plan({ numInferenceSteps: steps = 0, mu }: TimestepOptions): void {
    this.takeMu(mu);
    const { timestepSpacing, numTrainTimesteps: trainSteps, stepsOffset: offset } = this.config;
    const timesteps = solverTimesteps(timestepSpacing, { steps, trainSteps, offset });
    const schedule = solverSchedule(this.config, this.training, { timesteps, steps, flowShift: this.flowShift });
    const end = schedule.interpolated ? this.training.range.min : (schedule.sigmas.at(-1) as number);
    this.start(schedule.timesteps.map(Math.trunc), [...schedule.sigmas, end].map(f32));
  }

  protected override takeStep(modelOutput: Tensor, timestep: number, sample: Tensor): StepOutput {
    const earlier = this.planned(this.outputs);
    const index = this.currentIndex(timestep);
    const level = this.levelAt(index);
    const noise = noiseBetween(sample, thresholdedOriginal(this.config, modelOutput, sample, level), level);
    const steps = this.timesteps.length;
    const order = multistepOrder(steps - index, earlier.length + 1, steps, this.config);
    this.outputs = [noise, ...earlier].slice(0, this.config.solverOrder);
    this.stepIndex = index + 1;
    const levels = this.levelsOf(index, order);
    return { prevSample: order === 1 ? firstOrder(levels, noise, sample) : multistep(levels, this.outputs, sample) };
  }
}

function firstOrder([to, from]: StepLevels, output: Tensor, sample: Tensor): Tensor {
  const change = f32(expTorch(to.lambda - from.lambda) - 1);
  return sumFloat32([to.alpha / from.alpha, sample], [-to.sigma * change, output]);
}

/**
 * The polynomials through the outputs in log rho, integrated over the step in rho, are the weights of the outputs in units of
 * `sample / alpha`.
 */
function multistep([to, from, ...before]: StepLevels, outputs: readonly Tensor[], sample: Tensor): Tensor {
  const rho = ({ alpha, sigma }: NoiseLevel) => f32(sigma / alpha);
  const rhos = [from, ...before].map(rho);
  const integral = rhos.length === 2 ? integralOfLinear : integralOfQuadratic;
  const terms = rhos.map((_, i): [number, Tensor] => {
    const basis = [...rhos.slice(i), ...rhos.slice(0, i)];
    return [f32(integral(rho(to), basis) - integral(rho(from), basis)), outputs[i] as Tensor];
  });
  return sumFloat32([1, sample.div(from.alpha)], ...terms).mul(to.alpha);
}

// Antiderivatives at t of the Lagrange polynomial in log rho that is 1 at the first point and 0 at the others. Rounded as torch rounds:
// their difference over a short step is small.
type Integral = (t: number, basis: readonly number[]) => number;

const integralOfLinear: Integral = (t, basis) => {
  const logT = logNumpy(t);
  const [b, c] = basis.map(logNumpy) as [number, number];
  return f32(f32(t * f32(f32(logT - c) - 1)) / f32(b - c));
};

const integralOfQuadratic: Integral = (t, basis) => {
  const logT = logNumpy(t);
  const [b, c, d] = basis.map(logNumpy) as [number, number, number];
  const product = f32(c * f32(f32(d - logT) + 1));
  const cross = f32(f32(product - f32(d * logT)) + d);
  const squares = f32(f32(f32(cross + f32(logT ** 2)) - f32(2 * logT)) + 2);
  return f32(f32(t * squares) / f32(f32(b - c) * f32(b - d)));
};
