import { f32 } from "./arithmetic.js";

/**
 * torch's float32 exponential and logarithm on x86 are MKL's. They are not correctly rounded: 1 in 100 exponentials and up to 1 in 10
 * logarithms differ in the last bit. Solvers take differences of logarithms of neighbouring sigmas, so these bits show: SA-Solver of order
 * 4 is 1e-4 off in 20 steps without them, DEIS 2e-5 in 30. The Brownian tree gives other noise for another sigma. Schedules therefore use
 * these functions wherever torch takes the exponential or logarithm of a sigma. The constants were fitted to torch's results over whole
 * binades. They give another result than torch for less than 1 number in 900.
 */
export function expTorch(x: number): number {
  const value = f32(x);
  if (!(Math.abs(value) < LARGEST_EXPONENT)) return f32(Math.exp(value));
  // A power of 2^(1/128) times the rest's series up to the square, in double precision.
  const index = Math.round((value * STEPS) / Math.LN2);
  const rest = value - index * (Math.LN2 / STEPS);
  return f32(2 ** (index / STEPS) * (1 + rest + (rest * rest) / 2));
}

/** See `expTorch`. */
export function logTorch(x: number): number {
  const value = f32(x);
  if (!(value >= SMALLEST_NORMAL && value < Number.POSITIVE_INFINITY)) return f32(Math.log(value));
  // value = 2^exponent * mantissa with the mantissa in 2/3..4/3.
  let exponent = Math.floor(Math.log2(value));
  if (value / 2 ** exponent >= 4 / 3) exponent++;
  const rest = f32(value / 2 ** exponent - 1);
  const polynomial = LOG_COEFFICIENTS.reduceRight((sum, coefficient) => f32(f32(sum * rest) + coefficient));
  const series = f32(f32(f32(polynomial * rest) * rest) + rest);
  return f32(f32(exponent * LN2_HIGH) + f32(f32(exponent * LN2_LOW) + series));
}

const STEPS = 128;
const LARGEST_EXPONENT = 80;
const SMALLEST_NORMAL = 2 ** -126;
const LN2_HIGH = 0.693145751953125; // 17 bits, so that its multiples are exact
const LN2_LOW = f32(Math.LN2 - LN2_HIGH);
// log(1 + r) / r^2 - 1 / r, lowest power first.
const LOG_COEFFICIENTS = [-0.5, 0.33333215, -0.24999797, 0.20010382, -0.1668055, 0.14006394, -0.1218297, 0.13981536, -0.12898315].map(f32);

// Coefficients of numpy's rational minimax approximation of log(1 + y), numpy/_core/src/umath/npy_simd_data.h, as float32.
const LOG_P = [0, 1, 2.112677543073053, 1.4800006335765066, 0.38088377413884084, 0.02589979117907923].map(f32);
const LOG_Q = [1, 2.612677543073109, 2.453006071784736, 0.9864942958519418, 0.1546476374983907, 0.005875095403124574].map(f32);
const LN_2 = f32(Math.LN2);

/**
 * `np.log` of a float32, for positive normal numbers. It is up to 4 units in the last place off. Timesteps are interpolated between
 * logarithms of sigmas, so the correctly rounded logarithm would give other timesteps.
 */
export function logNumpy(x: number): number {
  const value = f32(x);
  if (value === 0) return Number.NEGATIVE_INFINITY;
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) return Math.log(value);
  let exponent = Math.floor(Math.log2(value));
  let mantissa = value / 2 ** exponent;
  if (mantissa >= 2 || mantissa < 1) {
    const carry = mantissa >= 2 ? 1 : -1;
    exponent += carry;
    mantissa = value / 2 ** exponent;
  }
  if (mantissa / 2 > f32(Math.SQRT1_2)) {
    exponent += 1;
    mantissa /= 2;
  }
  const y = f32(mantissa - 1);
  const horner = (coefficients: readonly number[]) => coefficients.reduceRight((sum, coefficient) => f32(sum * y + coefficient));
  return f32(exponent * LN_2 + f32(horner(LOG_P) / horner(LOG_Q)));
}
