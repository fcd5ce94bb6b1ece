import { f32 } from "./float32.js";

/**
 * torch's float32 sine of an angle from 0 to pi/2, which is not correctly rounded: an odd polynomial of degree 9 in double precision. Its
 * coefficients were fitted to torch's results; what is left differs for 1 number in 20,000.
 */
export function sinTorch(angle: number): number {
  const x = f32(angle);
  const square = x * x;
  return f32(x + x * square * SINE.reduceRight((sum, coefficient) => sum * square + coefficient));
}

/**
 * The C library's float32 `atan2f` of numbers that are not negative, which torch calls for fewer than 32 at once: fdlibm's argument reduction
 * and polynomial (Sun Microsystems 1993, s_atanf.c), every operation rounded.
 */
export function atan2Float32(y: number, x: number): number {
  if (y === 0) return 0;
  if (x === 0) return f32(Math.PI / 2);
  const ratio = f32(y / x);
  if (ratio < 0.4375) return f32(ratio - atanSeries(ratio));
  if (ratio < 0.6875) return beyond(0, f32(f32(2 * ratio) - 1) / f32(2 + ratio));
  if (ratio < 1.1875) return beyond(1, f32(ratio - 1) / f32(ratio + 1));
  if (ratio < 2.4375) return beyond(2, f32(ratio - 1.5) / f32(1 + f32(1.5 * ratio)));
  return beyond(3, -1 / ratio);
}

/** The arc tangent of a reduced argument, counted from one of the four angles below. */
function beyond(angle: number, reduced: number): number {
  const x = f32(reduced);
  return f32((ANGLE_HIGH[angle] as number) - f32(f32(atanSeries(x) - (ANGLE_LOW[angle] as number)) - x));
}

/** `x - atan(x)`. */
function atanSeries(x: number): number {
  const square = f32(x * x);
  const fourth = f32(square * square);
  const horner = (coefficients: readonly number[]) => coefficients.reduceRight((sum, coefficient) => f32(coefficient + f32(fourth * sum)));
  const odd = f32(square * horner(ATAN.filter((_, i) => i % 2 === 0)));
  const even = f32(fourth * horner(ATAN.filter((_, i) => i % 2 === 1)));
  return f32(x * f32(odd + even));
}

// sin(x) / x^3 - 1 / x^2, lowest power first.
const SINE = [-0.1666665955309, 0.008333066315417, -0.000198096078423, 2.60579103568e-6];
// atan of 1/2, 1, 3/2 and infinity.
const ANGLE_HIGH = [4.6364760399e-1, 7.8539812565e-1, 9.8279368877e-1, 1.5707962513].map(f32);
const ANGLE_LOW = [5.012158244e-9, 3.7748947079e-8, 3.447321717e-8, 7.5497894159e-8].map(f32);
// 1 / x^2 - atan(x) / x^3, lowest power first.
const ATAN = [
  3.3333334327e-1, -2.0000000298e-1, 1.4285714924e-1, -1.1111110449e-1, 9.0908870101e-2, -7.6918758452e-2, 6.6610731184e-2,
  -5.8335702866e-2, 4.9768779427e-2, -3.6531571299e-2, 1.6285819933e-2,
].map(f32);
