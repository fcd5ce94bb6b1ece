import { type BlockFormat, blockSize, IQ4_VALUES } from "./block-format.js";
import { fromHalf } from "./half.js";

/*
 * What blocks of quantised weights stand for, as ggml's dequantize_row functions (ggml-quants.c) compute it in float32. Networks compute
 * with the blocks themselves (graph/ops/widening.ts); this is for single tensors that are read, and the reference of tests.
 */

/** Reads one block: `at` is where it begins in `bytes`, and `to` where its numbers go in `out`. */
type ReadBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

/** The numbers of whole blocks of `format`. */
export function dequantise(format: BlockFormat, bytes: Uint8Array): Float32Array {
  const { numbers, bytes: size } = blockSize(format);
  const count = Math.floor(bytes.length / size);
  const out = new Float32Array(count * numbers);
  const read = READERS[format];
  for (let block = 0; block < count; block++) read(bytes, block * size, out, block * numbers);
  return out;
}

const byte = (bytes: Uint8Array, at: number) => bytes[at] as number;
const half = (bytes: Uint8Array, at: number) => fromHalf(byte(bytes, at) | (byte(bytes, at + 1) << 8));
const signed = (value: number) => (value << 24) >> 24;
const { fround } = Math;

/** A block of 32 codes of 4 bits, the first 16 in the lower halves of 16 bytes, and perhaps a fifth bit of each code elsewhere. */
function nibbles(
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  numberOf: (code: number, index: number) => number,
  count = 16,
): void {
  for (let i = 0; i < count; i++) {
    const pair = byte(bytes, at + i);
    out[to + i] = numberOf(pair & 15, i);
    out[to + count + i] = numberOf(pair >> 4, count + i);
  }
}

/** The 6-bit scales and minima of Q4_K and Q5_K: 8 of each in 12 bytes. */
function scaleAndMin(bytes: Uint8Array, at: number, i: number): readonly [scale: number, min: number] {
  if (i < 4) return [byte(bytes, at + i) & 63, byte(bytes, at + 4 + i) & 63];
  const [low, scale, min] = [byte(bytes, at + 4 + i), byte(bytes, at + i - 4), byte(bytes, at + i)];
  return [(low & 15) | ((scale >> 6) << 4), (low >> 4) | ((min >> 6) << 4)];
}

/** The 6-bit scales of Q3_K: 16 in 12 bytes. */
function q3Scale(bytes: Uint8Array, at: number, i: number): number {
  const low = (byte(bytes, at + (i % 8)) >> (i < 8 ? 0 : 4)) & 15;
  const high = (byte(bytes, at + 8 + (i % 4)) >> (2 * Math.floor(i / 4))) & 3;
  return (low | (high << 4)) - 32;
}

const READERS: { readonly [F in BlockFormat]: ReadBlock } = {
  Q4_0(bytes, at, out, to) {
    const d = half(bytes, at);
    nibbles(bytes, at + 2, out, to, (code) => d * (code - 8));
  },
  Q4_1(bytes, at, out, to) {
    const [d, m] = [half(bytes, at), half(bytes, at + 2)];
    nibbles(bytes, at + 4, out, to, (code) => fround(d * code) + m);
  },
  Q5_0(bytes, at, out, to) {
    const d = half(bytes, at);
    const fifth = (i: number) => ((byte(bytes, at + 2 + (i >> 3)) >> (i & 7)) & 1) << 4;
    nibbles(bytes, at + 6, out, to, (code, i) => d * ((code | fifth(i)) - 16));
  },
  Q5_1(bytes, at, out, to) {
    const [d, m] = [half(bytes, at), half(bytes, at + 2)];
    const fifth = (i: number) => ((byte(bytes, at + 4 + (i >> 3)) >> (i & 7)) & 1) << 4;
    nibbles(bytes, at + 8, out, to, (code, i) => fround(d * (code | fifth(i))) + m);
  },
  Q8_0(bytes, at, out, to) {
    const d = half(bytes, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * signed(byte(bytes, at + 2 + i));
  },
  Q2_K(bytes, at, out, to) {
    const [d, min] = [half(bytes, at + 80), half(bytes, at + 82)];
    for (let i = 0; i < 256; i++) {
      const pair = byte(bytes, at + (i >> 4));
      const code = (byte(bytes, at + 16 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
      out[to + i] = fround(fround(d * (pair & 15)) * code) - fround(min * (pair >> 4));
    }
  },
  Q3_K(bytes, at, out, to) {
    const d = half(bytes, at + 108);
    for (let i = 0; i < 256; i++) {
      const code = (byte(bytes, at + 32 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
      const isHigh = (byte(bytes, at + (i & 31)) >> (i >> 5)) & 1;
      out[to + i] = fround(d * q3Scale(bytes, at + 96, i >> 4)) * (code - (isHigh ? 0 : 4));
    }
  },
  Q4_K(bytes, at, out, to) {
    const [d, min] = [half(bytes, at), half(bytes, at + 2)];
    for (let i = 0; i < 256; i++) {
      const [scale, least] = scaleAndMin(bytes, at + 4, i >> 5);
      const code = (byte(bytes, at + 16 + 32 * (i >> 6) + (i & 31)) >> (i & 32 ? 4 : 0)) & 15;
      out[to + i] = fround(fround(d * scale) * code) - fround(min * least);
    }
  },
  Q5_K(bytes, at, out, to) {
    const [d, min] = [half(bytes, at), half(bytes, at + 2)];
    for (let i = 0; i < 256; i++) {
      const [scale, least] = scaleAndMin(bytes, at + 4, i >> 5);
      const low = (byte(bytes, at + 48 + 32 * (i >> 6) + (i & 31)) >> (i & 32 ? 4 : 0)) & 15;
      const code = low | (((byte(bytes, at + 16 + (i & 31)) >> (i >> 5)) & 1) << 4);
      out[to + i] = fround(fround(d * scale) * code) - fround(min * least);
    }
  },
  Q6_K(bytes, at, out, to) {
    const d = half(bytes, at + 208);
    for (let i = 0; i < 256; i++) {
      const low = (byte(bytes, at + 64 * (i >> 7) + (i & 63)) >> (i & 64 ? 4 : 0)) & 15;
      const high = (byte(bytes, at + 128 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
      out[to + i] = fround(d * signed(byte(bytes, at + 192 + (i >> 4)))) * ((low | (high << 4)) - 32);
    }
  },
  IQ4_NL(bytes, at, out, to) {
    const d = half(bytes, at);
    nibbles(bytes, at + 2, out, to, (code) => d * (IQ4_VALUES[code] as number));
  },
  IQ4_XS(bytes, at, out, to) {
    const d = half(bytes, at);
    for (let i = 0; i < 8; i++) {
      const low = (byte(bytes, at + 4 + (i >> 1)) >> (i & 1 ? 4 : 0)) & 15;
      const high = (byte(bytes, at + 2 + (i >> 2)) >> (2 * (i & 3))) & 3;
      const scale = fround(d * ((low | (high << 4)) - 32));
      nibbles(bytes, at + 8 + 16 * i, out, to + 32 * i, (code) => scale * (IQ4_VALUES[code] as number));
    }
  },
};
