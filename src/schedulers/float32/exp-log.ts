import { f32 } from "./float32.js";

/**
 * torch's float32 exponential and logarithm on x86 are MKL's. They are not correctly rounded: 1 in 100 exponentials and up to 1 in 10
 * logarithms differ in the last bit. Solvers take differences of logarithms of neighbouring sigmas, so these bits show: SA-Solver of order 4 is
 * 1e-4 off in 20 steps without them, DEIS 2e-5 in 30. The Brownian tree gives other noise for another sigma. Schedules therefore use these
 * functions wherever torch takes the exponential or logarithm of a sigma. The constants were fitted to torch's results over whole binades. They
 * give another result than torch for less than 1 number in 900.
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
