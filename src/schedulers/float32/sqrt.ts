import { f32 } from "./arithmetic.js";

/**
 * torch's float32 square root on x86 is MKL's, which is not correctly rounded: a 12-bit estimate of `1 / sqrt(x)` and two Newton steps
 * without fused multiply-add. It gives 4096 as the first sigma of zero-SNR schedules, where the exact root rounds to 4095.9998, and it
 * changes the last digits of every sigma and fractional timestep. Schedules therefore use it wherever torch takes a root. The estimate
 * below is that of AMD processors, on which the fixtures were made; Intel's differs in its last bits.
 */
export function sqrtTorch(x: number): number {
  const value = f32(x);
  if (!(value >= SMALLEST_NORMAL && value < Number.POSITIVE_INFINITY)) return f32(Math.sqrt(value));
  FLOAT[0] = value;
  const bits = BITS[0] as number;
  const exponent = (bits >>> 23) - 127;
  const odd = exponent & 1;
  const scale = 2 ** ((exponent - odd) / 2);
  const scaled = value / (scale * scale); // 1 to 4
  const segment = (odd << 12) | ((bits & 0x7fffff) >>> 11);
  const estimate = reciprocalRootEstimate(segment);

  const root = f32(scaled * estimate);
  const half = 0.5 * estimate;
  const correction = f32(0.5 - f32(root * half));
  const better = f32(root + f32(root * correction));
  const betterHalf = f32(half + f32(half * correction));
  return f32(better + f32(f32(scaled - f32(better * better)) * betterHalf)) * scale;
}

const SMALLEST_NORMAL = 2 ** -126;
const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

// The processor has two tables, in units of 1/8192. The first has a value for each of 512 blocks of 16 segments; here it is the offset from
// the rounded root. The second is shared by 16 blocks: it says how far each segment of a block is below the block's value.
const BLOCK_OFFSETS =
  "77777777777777777676777777766767676666666676666666556666556656665555555555555555555555555555555555544544545454454444444444444444" +
  "54454545444454443444444444443444434434343434334334443444444444443333333333333333333333333333333333333343333333333322233322332233" +
  "55555665556555554554444445544545444544445555444444444444444444444444444433443434443434434443333444333333433333333333333333333333" +
  "23333333333322233323322323323232332323323322333223333333333333332322222222222222222222222222222222222222222222222222222222222222";
const SEGMENT_STEPS =
  "7f7f77f75f7b5ddb5b766d6d5b56356a55552aaa552a4aa52a52494a4a5224a45b6d36d62b5655562aaa4aa9254a294a14942492249222491224122422222222";

function reciprocalRootEstimate(segment: number): number {
  const block = segment >>> 4;
  const middle = block < 256 ? 1 + (block * 16 + 8) / 4096 : 2 + ((block - 256) * 16 + 8) / 2048;
  const start = Math.round(8192 / Math.sqrt(middle)) + Number(BLOCK_OFFSETS[block]);
  const larger = (segment >>> 8) * 4;
  let steps = Number.parseInt(SEGMENT_STEPS.slice(larger, larger + 4), 16) & ((1 << (segment & 15)) - 1);
  let below = 0;
  for (; steps !== 0; steps >>>= 1) below += steps & 1;
  return (start - below) / 8192;
}
