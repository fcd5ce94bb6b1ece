import { ArgumentError } from "../errors.js";
import { shown, wrongArgument } from "../given.js";
import { boxMuller16, boxMuller16Double } from "./box-muller.js";
import { allocate } from "./dtype.js";
import { expectExtents } from "./expect.js";
import { concat, type Shape, sizeOf, Tensor } from "./tensor.js";

/** The dtypes that normals and uniforms can be drawn in. */
export type FloatDType = "float32" | "float64" | "float16" | "bfloat16";

const FLOATS: readonly FloatDType[] = ["float32", "float64", "float16", "bfloat16"];

/** The most numbers in one draw, a gigabyte: far more than a picture needs, and a limit for configs with absurd sizes. */
const largestDraw = 2 ** 28;

const stateSize = 624;
const stateShift = 397;

/**
 * torch's generator on the CPU (`torch.Generator().manual_seed(seed)`): the Mersenne Twister of Matsumoto and Nishimura (1998),
 * and the second normal of a pair, which the next small draw uses. The same seed and the same calls give torch's numbers.
 */
export class Generator {
  /** The seed as `torch.Generator.initial_seed()` reports it, 0 to 2^64 - 1. The numbers depend on its low 32 bits only. */
  readonly initialSeed: bigint;
  private state = new Uint32Array(stateSize);
  private next = stateSize;
  private spareNormal: number | undefined;

  /**
   * @param seed -2^63 to 2^64 - 1, as in torch, a negative seed means 2^64 minus its value; by default a random seed of 32 bits.
   * @throws ArgumentError if the seed is not an integer in that range.
   */
  constructor(seed: number | bigint = globalThis.crypto.getRandomValues(new Uint32Array(1))[0] as number) {
    this.initialSeed = parseSeed(seed);
    this.state[0] = Number(this.initialSeed & 0xffffffffn);
    for (let i = 1; i < stateSize; i++) {
      const previous = this.state[i - 1] as number;
      this.state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** An independent generator that continues from the same point. */
  clone(): Generator {
    const copy = new Generator(this.initialSeed);
    copy.state = this.state.slice();
    copy.next = this.next;
    copy.spareNormal = this.spareNormal;
    return copy;
  }

  /** The next 32 random bits. */
  uint32(): number {
    if (this.next === stateSize) this.twist();
    let y = this.state[this.next++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** The next 64 random bits. */
  uint64(): bigint {
    const high = this.uint32();
    return (BigInt(high) << 32n) | BigInt(this.uint32());
  }

  /** A uniform number in [0, 1) with 24 bits, as float32 has. */
  uniform(): number {
    return (this.uint32() & 0xffffff) * 2 ** -24;
  }

  /** A uniform number in [0, 1) with 53 bits, as float64 has. */
  uniformDouble(): number {
    const high = this.uint32() & 0x1fffff;
    return (high * 2 ** 32 + this.uint32()) * 2 ** -53;
  }

  /** One normal of a draw of fewer than 16: Box-Muller in double precision for every dtype. Its second result is kept for the next call. */
  normal(): number {
    const spare = this.spareNormal;
    if (spare !== undefined) {
      this.spareNormal = undefined;
      return spare;
    }
    const theta = 2 * Math.PI * this.uniformDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-this.uniformDouble()));
    // Adding the mean turns -0 into 0.
    this.spareNormal = radius * Math.sin(theta) + 0;
    return radius * Math.cos(theta) + 0;
  }

  private twist(): void {
    const { state } = this;
    for (let i = 0; i < stateSize; i++) {
      const following = state[i + 1 === stateSize ? 0 : i + 1] as number;
      const mixed = ((state[i] as number) & 0x80000000) | (following & 0x7fffffff);
      const shifted = i + stateShift < stateSize ? i + stateShift : i + stateShift - stateSize;
      state[i] = (state[shifted] as number) ^ (mixed >>> 1) ^ (following & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }
}

/**
 * Normals of mean 0 and variance 1, the numbers that `torch.randn(shape, generator=generator, dtype=dtype)` gives.
 * @param generator the source of the numbers; without one, they cannot be reproduced.
 * @throws ArgumentError for more numbers than a picture needs.
 */
export function randn<D extends FloatDType = "float32">(shape: Shape, generator = new Generator(), dtype = "float32" as D): Tensor<D> {
  expectDraw(shape, generator, dtype);
  const size = sizeOf(shape);
  if (!(size <= largestDraw)) {
    throw new ArgumentError(`noise of shape [${shape}] is more than ${largestDraw} numbers`, {
      hint: "make a smaller picture, or fewer pictures",
    });
  }
  if (size < 16) {
    const values = Float64Array.from({ length: size }, () => generator.normal());
    return new Tensor("float64", shape, values).to(dtype);
  }
  if (dtype === "float64") {
    const values = new Float64Array(size);
    const draw = (start: number, end: number) => {
      for (let i = start; i < end; i++) values[i] = generator.uniformDouble();
    };
    fillNormals(size, size, draw, (start) => boxMuller16Double(values, start));
    return new Tensor("float64", shape, values).to(dtype);
  }
  const values = allocate("float32", size);
  const draw = (start: number, end: number) => {
    for (let i = start; i < end; i++) values[i] = generator.uniform();
  };
  // float32 draws uniforms for the incomplete last block, too, and then draws that block again. The half types skip the first draw.
  fillNormals(size, dtype === "float32" ? size : size - (size % 16), draw, (start) => boxMuller16(values, start));
  return new Tensor("float32", shape, values).to(dtype);
}

/** Uniforms in [0, 1), the numbers that `torch.rand(shape, generator=generator, dtype=dtype)` gives. */
export function rand<D extends FloatDType = "float32">(shape: Shape, generator = new Generator(), dtype = "float32" as D): Tensor<D> {
  expectDraw(shape, generator, dtype);
  const size = sizeOf(shape);
  if (dtype === "float64") {
    const values = Float64Array.from({ length: size }, () => generator.uniformDouble());
    return new Tensor("float64", shape, values).to(dtype);
  }
  const drawn = new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: size }, () => generator.uniform()),
  ).to(dtype);
  // Rounding to a half type can give 1, which is outside the interval: torch makes it 0.
  if (dtype === "float16" || dtype === "bfloat16") {
    const one = dtype === "float16" ? 0x3c00 : 0x3f80;
    const { data } = drawn as Tensor<"float16" | "bfloat16">;
    data.forEach((bits, i) => {
      if (bits === one) data[i] = 0;
    });
  }
  return drawn;
}

/**
 * Integers from `low` up to `high` (excluded), the numbers that `torch.randint(low, high, shape, generator=generator)` gives.
 *
 * @throws ArgumentError if the bounds are not safe integers, or if no integer lies between them.
 */
export function randint(low: number, high: number, shape: Shape, generator = new Generator()): Tensor<"int64"> {
  expectDraw(shape, generator);
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low >= high) {
    throw new ArgumentError(`randint draws integers from ${shown(low)} up to ${shown(high)} (excluded): there are none`, {
      hint: "give two safe integers, the lower one first",
    });
  }
  const base = BigInt(low);
  const range = BigInt(high) - base;
  const values = new BigInt64Array(sizeOf(shape));
  // From 2^28 on, torch takes 64 bits so that all remainders stay equally likely.
  const bits = range < 2n ** 28n ? () => BigInt(generator.uint32()) : () => generator.uint64();
  for (let i = 0; i < values.length; i++) values[i] = base + (bits() % range);
  return new Tensor("int64", shape, values);
}

/**
 * Normals for a batch of images `[batch, ...]`. One generator (or a list of one) draws them all at once; a list as long as the batch
 * draws each image `[1, ...]` from its own generator, so that an image depends only on its own seed. Matches diffusers' `randn_tensor`.
 *
 * @throws ArgumentError if the list is neither of length 1 nor as long as the batch.
 */
export function randnPerImage(shape: Shape, generator: Generator | readonly Generator[]): Tensor {
  const generators = generator instanceof Generator ? [generator] : generator;
  if (!Array.isArray(generators)) throw wrongArgument("generator", generator, "a Generator, such as new Generator(7), or a list of them");
  const [batch = 1, ...rest] = shape;
  const [first] = generators;
  if (first && generators.length === 1) return randn(shape, first);
  if (generators.length !== batch) {
    throw new ArgumentError(`${generators.length} generators were given for a batch of ${batch}`, {
      hint: "give one generator for all images, or one for each",
    });
  }
  return concat(generators.map((own) => randn([1, ...rest], own)));
}

/** Digits of a seed, with room for zeros before them. The time to read a number grows with the square of its digits. */
const DIGITS = /^[+-]?\d{1,100}$/;

/**
 * A seed as `torch.manual_seed` takes it: an integer (or its decimal digits) from -2^63 to 2^64 - 1, a negative seed means 2^64 minus its
 * value.
 *
 * @throws ArgumentError if it is anything else: a fraction, NaN, out of range, or a number beyond 2^53 (give it as a bigint or a string).
 */
export function parseSeed(value: number | bigint | string): bigint {
  if (!["number", "bigint", "string"].includes(typeof value)) throw wrongArgument("seed", value, "an integer");
  const exact = typeof value === "number" ? Number.isSafeInteger(value) : typeof value === "bigint" || DIGITS.test(value.trim());
  const seed = exact ? BigInt(typeof value === "string" ? value.trim().replace(/^\+/, "") : value) : undefined;
  if (seed === undefined || seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new ArgumentError(`seed ${typeof value === "string" ? shown(value) : value} is not a seed that torch accepts`, {
      argument: "seed",
      hint: "give an integer from -2^63 to 2^64 - 1; beyond 2^53, give a bigint (123n) or a string of digits, because a number is not exact there",
    });
  }
  return BigInt.asUintN(64, seed);
}

/** @throws ArgumentError unless numbers of this shape and dtype can be drawn from the generator. */
function expectDraw(shape: Shape, generator: Generator, dtype: FloatDType = "float32"): void {
  expectExtents(shape);
  if (!(generator instanceof Generator)) throw wrongArgument("generator", generator, "a Generator, such as new Generator(7)");
  if (!FLOATS.includes(dtype)) throw wrongArgument("dtype", dtype, `one of ${FLOATS.join(", ")}`, { type: "string" });
}

/** Turns `drawn` uniforms into normals in blocks of 16. If the last block is incomplete, the last 16 numbers are drawn again. */
function fillNormals(size: number, drawn: number, draw: (start: number, end: number) => void, transform: (start: number) => void): void {
  draw(0, drawn);
  for (let start = 0; start + 16 <= size; start += 16) transform(start);
  if (size % 16 !== 0) {
    draw(size - 16, size);
    transform(size - 16);
  }
}
