/** How a controller begins, and its coefficients. */
export interface StepSizeOptions {
  /** The first size. */
  readonly size: number;
  /** The order of the solver. */
  readonly order: number;
  readonly pcoeff: number;
  readonly icoeff: number;
  readonly dcoeff: number;
  readonly acceptSafety: number;
}

/** Keeps the inverse of an error finite. */
const SMALLEST_ERROR = 1e-8;

/**
 * A PID controller of step sizes: it changes the size so that a step's error comes near 1. Soederlind 2003, "Digital Filters in Adaptive
 * Time-Stepping". Matches k-diffusion's PIDStepSizeController.
 */
export class StepSizeController {
  /** The size of the next step. */
  size: number;
  private readonly exponents: readonly [number, number, number];
  private inverses: [number, number, number] | undefined; // of the last errors, newest first

  constructor(private readonly options: StepSizeOptions) {
    const { size, order, pcoeff, icoeff, dcoeff } = options;
    this.size = size;
    this.exponents = [(pcoeff + icoeff + dcoeff) / order, -(pcoeff + 2 * dcoeff) / order, dcoeff / order];
  }

  /** Whether a step with this error is accepted. Sets the size of the next step, or of the next try. */
  accepts(error: number): boolean {
    const inverse = 1 / (error + SMALLEST_ERROR);
    const [, before, earlier] = this.inverses ?? [inverse, inverse, inverse];
    const [a, b, c] = this.exponents;
    const factor = 1 + Math.atan(inverse ** a * before ** b * earlier ** c - 1);
    const isAccepted = factor >= this.options.acceptSafety;
    this.inverses = isAccepted ? [inverse, inverse, before] : [inverse, before, earlier];
    this.size *= factor;
    return isAccepted;
  }
}
