import { fromHalf, toHalf } from "./half.js";

/*
 * Numbers as blocks of 32, as ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref (ggml-quants.c) make them.
 */

const BLOCK = 32;

/** Numbers, a multiple of 32, as Q8_0: codes of 8 bits, and a half-precision scale for each block. */
export function quantiseQ8(numbers: Float32Array): Uint8Array {
  const out = new Uint8Array((numbers.length / BLOCK) * 34);
  for (let at = 0, to = 0; at < numbers.length; at += BLOCK, to += 34) {
    let largest = 0;
    for (let i = at; i < at + BLOCK; i++) largest = Math.max(largest, Math.abs(numbers[i] as number));
    const factor = largest === 0 ? 0 : 127 / largest;
    writeHalf(out, to, largest / 127);
    for (let i = 0; i < BLOCK; i++) {
      const value = (numbers[at + i] as number) * factor;
      // Halves are rounded away from zero.
      out[to + 2 + i] = value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
    }
  }
  return out;
}

/** Numbers, a multiple of 32, as Q4_0: codes of 4 bits, and a half-precision scale for each block. */
export function quantiseQ4(numbers: Float32Array): Uint8Array {
  const out = new Uint8Array((numbers.length / BLOCK) * 18);
  for (let at = 0, to = 0; at < numbers.length; at += BLOCK, to += 18) {
    let extreme = 0;
    for (let i = at; i < at + BLOCK; i++) if (Math.abs(numbers[i] as number) > Math.abs(extreme)) extreme = numbers[i] as number;
    const factor = extreme === 0 ? 0 : -8 / extreme;
    writeHalf(out, to, extreme / -8);
    for (let i = 0; i < 16; i++) {
      const [low, high] = [code((numbers[at + i] as number) * factor), code((numbers[at + 16 + i] as number) * factor)];
      out[to + 2 + i] = low | (high << 4);
    }
  }
  return out;
}

function code(value: number): number {
  return Math.min(15, Math.floor(value + 8.5));
}

function writeHalf(out: Uint8Array, at: number, value: number): void {
  const bits = toHalf(value);
  out[at] = bits & 0xff;
  out[at + 1] = bits >> 8;
}

/** The numbers that half-precision bits stand for, by their bits. */
let halves: Float32Array | undefined;

/** Bytes of float16 as numbers. */
export function halvesAsNumbers(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, each) => fromHalf(each));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = halves[bits[i] as number] as number;
  return out;
}

/** Bytes of bfloat16, the upper halves of float32, as numbers. */
export function bfloatsAsNumbers(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
  return new Float32Array(words.buffer);
}
