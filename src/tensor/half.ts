import { roundTiesToEven } from "./round.js";

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The float16 nearest to `value` (ties to even), as its 16 bits. */
export function toHalf(value: number): number {
  float[0] = value;
  const word = bits[0] as number;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14 a half is a multiple of 2^-24. In units of 2^-24, the nearest half is the nearest integer.
    return sign | roundTiesToEven(Math.abs(float[0] as number) * 2 ** 24);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number whose float16 bits are `half`. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bfloat16 nearest to `value` (ties to even), as its 16 bits. */
export function toBfloat(value: number): number {
  float[0] = value;
  const word = bits[0] as number;
  if ((word & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** The number whose bfloat16 bits are `half`. */
export function fromBfloat(half: number): number {
  bits[0] = half << 16;
  return float[0] as number;
}
