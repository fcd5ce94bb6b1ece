import { roundTiesToEven } from "./round.js";

/** A floating-point format of 8 bits: sign, exponent, mantissa (Micikevicius et al. 2022). */
interface Float8Format {
  readonly mantissaBits: number;
  readonly bias: number;
  /** Bits of the largest finite number. */
  readonly largest: number;
  /** Bits of the result for larger numbers. */
  readonly overflow: number;
}

/** 4 exponent bits and no infinity: all ones is NaN; the other patterns with the highest exponent are numbers up to 448. */
const E4M3FN: Float8Format = { mantissaBits: 3, bias: 7, largest: 0x7e, overflow: 0x7e };
/** The upper byte of a float16: 5 exponent bits, infinities, numbers up to 57344. */
const E5M2: Float8Format = { mantissaBits: 2, bias: 15, largest: 0x7b, overflow: 0x7c };

/** Both formats have NaN here; E5M2 has two more patterns for it. */
const NAN = 0x7f;

/** The number whose float8_e4m3fn bits are `bits`. */
export function fromFloat8E4M3(bits: number): number {
  return (bits & 0x7f) === NAN ? Number.NaN : fromFloat8(bits, E4M3FN);
}

/** The number whose float8_e5m2 bits are `bits`. */
export function fromFloat8E5M2(bits: number): number {
  const magnitude = bits & 0x7f;
  if (magnitude > E5M2.overflow) return Number.NaN;
  if (magnitude === E5M2.overflow) return bits & 0x80 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return fromFloat8(bits, E5M2);
}

/** The bits of the float8_e4m3fn nearest to `value` (ties to even); numbers above 448 become 448, as in torch. */
export function toFloat8E4M3(value: number): number {
  return toFloat8(value, E4M3FN);
}

/** The bits of the float8_e5m2 nearest to `value` (ties to even); numbers that are too large become infinite. */
export function toFloat8E5M2(value: number): number {
  return toFloat8(value, E5M2);
}

function fromFloat8(bits: number, { mantissaBits, bias }: Float8Format): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits & 0x7f) >>> mantissaBits;
  const mantissa = (bits & 0x7f & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  return sign * (exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias));
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

function toFloat8(value: number, { mantissaBits, bias, largest, overflow }: Float8Format): number {
  float[0] = value;
  const sign = ((word[0] as number) >>> 24) & 0x80;
  const magnitude = Math.abs(float[0] as number);
  if (Number.isNaN(magnitude)) return sign | NAN;
  if (magnitude === Number.POSITIVE_INFINITY) return sign | overflow;
  const exponent = Math.max((((word[0] as number) >>> 23) & 0xff) - 127, 1 - bias);
  // In units of the last place. Subnormal numbers have the unit of the smallest normal one.
  const units = roundTiesToEven(magnitude / 2 ** (exponent - mantissaBits));
  const bits = ((exponent + bias - 1) << mantissaBits) + units;
  return sign | (bits > largest ? overflow : bits);
}
