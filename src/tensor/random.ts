import { ArgumentError } from "../errors.js";
import { shown, wrongArgument } from "../given.js";
import { boxMuller16, boxMuller16Double } from "./box-muller.js";
import { allocate } from "./dtype.js";
import { expectExtents } from "./expect.js";
import { concat, type Shape, sizeOf, Tensor } from "./tensor.js";

/** The dtypes that normals and uniforms can be drawn in. */
export type FloatDType = "float32" | "float64" | "float16" | "bfloat16";

const FLOATS: readonly FloatDType[] = ["float32", "float64", "float16", "bfloat16"];

/** Numbers of the largest noise, a gigabyte: far more than pictures are made from, far less than a config with absurd sizes may ask for. */
const largestDraw = 2 ** 28;

const stateSize = 624;
const stateShift = 397;

/**
 * torch's generator on the CPU (`torch.Generator().manual_seed(seed)`): the Mersenne Twister of Matsumoto and Nishimura (1998),
 * with the normal that a small draw leaves over. Every draw moves it on; the same seed and the same calls give torch's numbers.
 */
export class Generator {
  /** The seed as `torch.Generator.initial_seed()` reports it, 0 to 2^64 - 1. The numbers depend on its low 32 bits only. */
  readonly initialSeed: bigint;
  private state = new Uint32Array(stateSize);
  private next = stateSize;
  private spareNormal: number | undefined;

  /**
   * @param seed -2^63 to 2^64 - 1, negative ones counted back from 2^64 (as torch does); without it a random one of 32 bits.
   * @throws ArgumentError if the seed is no integer of that range.
   */
  constructor(seed: number | bigint = globalThis.crypto.getRandomValues(new Uint32Array(1))[0] as number) {
    this.initialSeed = parseSeed(seed);
    this.state[0] = Number(this.initialSeed & 0xffffffffn);
    for (let i = 1; i < stateSize; i++) {
      const previous = this.state[i - 1] as number;
      this.state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** A generator that goes on from the same point, independent of this one. */
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

  /** A uniform in [0, 1) of 24 bits, float32's. */
  uniform(): number {
    return (this.uint32() & 0xffffff) * 2 ** -24;
  }

  /** A uniform in [0, 1) of 53 bits, float64's. */
  uniformDouble(): number {
    const high = this.uint32() & 0x1fffff;
    return (high * 2 ** 32 + this.uint32()) * 2 ** -53;
  }

  /** One normal of a draw of fewer than 16: Box-Muller in double precision whatever the dtype, its second result kept for the next call. */
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
 * @throws ArgumentError for more of them than pictures are made from.
 */
export function randn<D extends FloatDType = "float32">(shape: Shape, generator = new Generator(), dtype = "float32" as D): Tensor<D> {
  expectDraw(shape, generator, dtype);
  const size = sizeOf(shape);
  if (!(size <= largestDraw)) {
    throw new ArgumentError(`noise of shape [${shape}] is more than ${largestDraw} numbers`, {
      hint: "ask for a smaller picture, or fewer",
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
  // float32 draws uniforms for the incomplete last block too, before that is drawn again; the half types skip them.
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
  // Rounding to a half type can reach 1, which the interval leaves out: torch makes it 0.
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
 * @throws ArgumentError if the bounds are no safe integers or leave nothing between them.
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
  // From 2^28 on, torch takes 64 bits so that the remainder stays even.
  const bits = range < 2n ** 28n ? () => BigInt(generator.uint32()) : () => generator.uint64();
  for (let i = 0; i < values.length; i++) values[i] = base + (bits() % range);
  return new Tensor("int64", shape, values);
}

/**
 * Normals for a batch of images `[batch, ...]`. One generator (or a list of one) draws them all at once; a list as long as the batch
 * draws every image `[1, ...]` from its own, so that an image depends on its own seed only. Matches diffusers' `randn_tensor`.
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

/**
 * A seed as `torch.manual_seed` takes it: an integer (or its decimal digits) from -2^63 to 2^64 - 1, negative ones counted back from 2^64.
 *
 * @throws ArgumentError if it is anything else: a fraction, NaN, a number beyond 2^53 (write those as bigint or string), out of range.
 */
export function parseSeed(value: number | bigint | string): bigint {
  if (!["number", "bigint", "string"].includes(typeof value)) throw wrongArgument("seed", value, "an integer");
  const exact = typeof value === "number" ? Number.isSafeInteger(value) : typeof value === "bigint" || /^[+-]?\d+$/.test(value.trim());
  const seed = exact ? BigInt(typeof value === "string" ? value.trim().replace(/^\+/, "") : value) : undefined;
  if (seed === undefined || seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new ArgumentError(`seed ${typeof value === "string" ? JSON.stringify(value) : value} is not a seed torch would take`, {
      argument: "seed",
      hint: "give an integer from -2^63 to 2^64 - 1; beyond 2^53 as a bigint (123n) or in decimal digits, since a number would lose some",
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

/** Blocks of 16 made from `drawn` uniforms; when the last block is incomplete, the last 16 numbers are drawn once more and made from those. */
function fillNormals(size: number, drawn: number, draw: (start: number, end: number) => void, transform: (start: number) => void): void {
  draw(0, drawn);
  for (let start = 0; start + 16 <= size; start += 16) transform(start);
  if (size % 16 !== 0) {
    draw(size - 16, size);
    transform(size - 16);
  }
}
