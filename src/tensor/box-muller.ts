// Every constant and every rounding below is that of the kernel torch runs on x86 (avx_mathfun.h, after Cephes' single-precision
// functions). `f(a * b + c)` stands for its fused multiply-add: the product is exact in double precision, so only the sum is rounded.
const f = Math.fround;

const twoPi = f(2 * Math.PI);
const fourOverPi = f(1.27323954473516);
const sqrtHalf = f(Math.SQRT1_2);
const [log0, log1, log2, log3, log4, log5, log6, log7, log8] = [
  f(7.0376836292e-2),
  f(-1.151461031e-1),
  f(1.167699874e-1),
  f(-1.2420140846e-1),
  f(1.4249322787e-1),
  f(-1.6668057665e-1),
  f(2.0000714765e-1),
  f(-2.4999993993e-1),
  f(3.3333331174e-1),
];
const [ln2Low, ln2High] = [f(-2.1219444e-4), f(0.693359375)];
const [quarterPi1, quarterPi2, quarterPi3] = [f(0.78515625), f(2.4187564849853516e-4), f(3.774894977445941e-8)];
const [sin0, sin1, sin2] = [f(-1.9515295891e-4), f(8.3321608736e-3), f(-1.6666654611e-1)];
const [cos0, cos1, cos2] = [f(2.443315711809948e-5), f(-1.388731625493765e-3), f(4.166664568298827e-2)];

/**
 * Turns 16 uniforms at `start` (8 for the radii, then 8 for the angles) into 16 normals in place, bit for bit as torch's float32 kernel
 * does.
 */
export function boxMuller16(data: Float32Array, start: number): void {
  for (let i = start; i < start + 8; i++) {
    const radius = f(Math.sqrt(f(-2 * logOneMinus(data[i] as number))));
    const theta = f(twoPi * (data[i + 8] as number));

    // Cephes' sincos: theta = octant * pi/4 + x with |x| <= pi/4, pi/4 taken off in three parts.
    const octant = (f(theta * fourOverPi) + 1) & ~1;
    const x = f(f(f(theta - octant * quarterPi1) - octant * quarterPi2) - octant * quarterPi3);
    const z = f(x * x);
    const cosine = f(f(f(f(f(cos0 * z + cos1) * z + cos2) * z) * z - 0.5 * z) + 1);
    const sine = f(f(f(f(sin0 * z + sin1) * z + sin2) * z) * x + x);
    const swapped = (octant & 2) !== 0;
    const sin = (swapped ? cosine : sine) * (octant & 4 ? -1 : 1);
    const cos = (swapped ? sine : cosine) * ((octant - 2) & 4 ? 1 : -1);

    // The kernel ends with `* std + mean`: adding 0 turns -0 into 0.
    data[i] = f(radius * cos) + 0;
    data[i + 8] = f(radius * sin) + 0;
  }
}

/** The same in double precision, where torch uses the C library's functions. */
export function boxMuller16Double(data: Float64Array, start: number): void {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - (data[i] as number)));
    const theta = 2 * Math.PI * (data[i + 8] as number);
    data[i] = radius * Math.cos(theta) + 0;
    data[i + 8] = radius * Math.sin(theta) + 0;
  }
}

/** log(1 - u) for a float32 uniform: a multiple of 2^-24 in [0, 1). */
function logOneMinus(u: number): number {
  const steps = (1 - u) * 2 ** 24;
  const bits = 32 - Math.clz32(steps);
  let exponent = bits - 24;
  let x = steps / 2 ** bits;
  if (x < sqrtHalf) {
    exponent -= 1;
    x = f(f(x - 1) + x);
  } else {
    x = f(x - 1);
  }
  const z = f(x * x);
  let y = f(log0 * x + log1);
  y = f(y * x + log2);
  y = f(y * x + log3);
  y = f(y * x + log4);
  y = f(y * x + log5);
  y = f(y * x + log6);
  y = f(y * x + log7);
  y = f(y * x + log8);
  y = f(f(y * x) * z + f(exponent * ln2Low));
  y = f(y - 0.5 * z);
  return f(exponent * ln2High + f(x + y));
}
