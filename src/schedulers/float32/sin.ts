import { f32 } from "./arithmetic.js";

/**
 * torch's float32 sine of an angle from 0 to pi/2, which is not correctly rounded: an odd polynomial of degree 9 in double precision. The
 * coefficients were fitted to torch's results. It gives another result than torch for 1 number in 20,000.
 */
export function sinTorch(angle: number): number {
  const x = f32(angle);
  const square = x * x;
  return f32(x + x * square * SINE.reduceRight((sum, coefficient) => sum * square + coefficient));
}

// sin(x) / x^3 - 1 / x^2, lowest power first.
const SINE = [-0.1666665955309, 0.008333066315417, -0.000198096078423, 2.60579103568e-6];
