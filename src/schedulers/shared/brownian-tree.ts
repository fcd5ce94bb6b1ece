import { ConfigError } from "../../errors.js";
import { Generator, randn } from "../../tensor/random.js";
import { roundTiesToEven } from "../../tensor/round.js";
import { seedSequence } from "../../tensor/seed-sequence.js";
import type { Shape, Tensor } from "../../tensor/tensor.js";
import { sumFloat32 } from "../float32/arithmetic.js";

/** Times are rounded to this many digits. The tree is halved down to this precision. */
const DIGITS = 6;
/** The pool of numpy's SeedSequence has this many words, as in k-diffusion. */
const POOL_SIZE = 24;
/** The longest motion that can be halved down to {@link DIGITS} in double precision. The largest noise levels are thousands. */
const LONGEST = 1e9;
/** Increments kept in memory: queries for neighbouring times need mostly the same ones. */
const CACHE_SIZE = 45;

/** An interval of the tree. It has children after it was halved. */
interface Interval {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  /** The path to the interval in binary, 0 for left. */
  readonly key: number;
  readonly parent: Interval | undefined;
  halves?: { readonly middle: number; readonly left: Interval; readonly right: Interval; readonly seed: number };
}

/**
 * A Brownian motion that depends only on a seed. Increments over any intervals, asked in any order, are consistent, because each is made by
 * halving (Li et al. 2020, "Scalable Gradients for Stochastic Differential Equations", Algorithm 3). Gives the numbers of torchsde's
 * `BrownianInterval(t0, t1, entropy=seed, tol=1e-6, pool_size=24, halfway_tree=True)`.
 */
export class BrownianTree {
  private readonly top: Interval;
  private readonly whole: Tensor;
  private readonly cache = new Map<Interval, Tensor>();

  /** A motion of tensors of `shape` from time `start` to `end`. @throws ConfigError if the times are not a range. */
  constructor(
    start: number,
    end: number,
    private readonly shape: Shape,
    private readonly seed: bigint,
  ) {
    if (!(start <= end && Math.abs(start) <= LONGEST && end <= LONGEST)) {
      throw new ConfigError(
        `the scheduler's config gives noise levels from ${start} to ${end}; noise can only be drawn over a finite range`,
      );
    }
    const [first = 0] = seedSequence(seed, [], POOL_SIZE, 1);
    this.whole = sumFloat32([Math.sqrt(end - start), this.draw(first)]);
    this.top = { start: roundTime(start), end: roundTime(end), depth: 0, key: 0, parent: undefined };
  }

  /** The increment from one time to a later one. Times outside the tree are moved to its ends. */
  increment(from: number, to: number): Tensor {
    const { start, end } = this.top;
    if (Number.isNaN(from) || Number.isNaN(to)) throw new ConfigError("the scheduler's config gives a noise level that is not a number");
    const [first, last] = [from, to].map((time) => roundTime(Math.min(Math.max(time, start), end))) as [number, number];
    if (first === last) return this.whole.mul(0);
    const parts = this.cover(this.top, first, last).map((interval) => this.incrementOf(interval));
    return parts.reduce((sum, part) => sum.add(part));
  }

  /** The intervals that make up `from..to`, in order. */
  private cover(interval: Interval, from: number, to: number): Interval[] {
    if (from === interval.start && to === interval.end) return [interval];
    if (!interval.halves) this.halveDownTo(interval, from === interval.start ? to : from);
    const { middle, left, right } = interval.halves as NonNullable<Interval["halves"]>;
    if (to <= middle) return this.cover(left, from, to);
    if (from >= middle) return this.cover(right, from, to);
    return [...this.cover(left, from, middle), ...this.cover(right, middle, to)];
  }

  /** Halves an interval, and its halves, until `time` is a boundary. */
  private halveDownTo(interval: Interval, time: number): void {
    const { start, end, depth, key } = interval;
    const middle = roundTime(0.5 * (end + start));
    const [seed = 0] = seedSequence(this.seed, [key, depth], POOL_SIZE, 1);
    const left: Interval = { start, end: middle, depth: depth + 1, key: 2 * key, parent: interval };
    const right: Interval = { start: middle, end, depth: depth + 1, key: 2 * key + 1, parent: interval };
    interval.halves = { middle, left, right, seed };
    if (time > middle) this.halveDownTo(right, time);
    else if (time < middle) this.halveDownTo(left, time);
  }

  /** The increment over an interval: normal, with its share of the parent's increment as mean. */
  private incrementOf(interval: Interval): Tensor {
    const { parent } = interval;
    if (!parent?.halves) return this.whole;
    const known = this.cache.get(interval);
    if (known) return known;
    const whole = this.incrementOf(parent);
    const { middle, left, seed } = parent.halves;
    const perLength = 1 / (parent.end - parent.start);
    const [before, after] = [middle - parent.start, parent.end - middle];
    const mean = whole.mul(Math.fround(before)).mul(Math.fround(perLength));
    const leftPart = sumFloat32([1, mean], [Math.sqrt(before * after * perLength), this.draw(seed)]);
    const increment = interval === left ? leftPart : whole.sub(leftPart);
    for (const oldest of this.cache.keys()) {
      if (this.cache.size < CACHE_SIZE) break;
      this.cache.delete(oldest);
    }
    this.cache.set(interval, increment);
    return increment;
  }

  private draw(seed: number): Tensor {
    return randn(this.shape, new Generator(seed));
  }
}

/** Python's `round(time, 6)`: exact, with ties to even. */
function roundTime(time: number): number {
  // Only odd multiples of 2^-7 lie halfway between two numbers of 6 digits. toFixed would round them up.
  const tie = Number.isInteger(time * 128) && !Number.isInteger(time * 64);
  return tie ? roundTiesToEven(time * 10 ** DIGITS) / 10 ** DIGITS : Number(time.toFixed(DIGITS));
}
