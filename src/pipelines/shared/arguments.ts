import { ArgumentError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import { type Fields, field, instanceOf, oneOrList, whole } from "../../options/fields.js";
import { Generator } from "../../tensor/random.js";
import { warn } from "../../warnings.js";

/** @throws ArgumentError unless `value` is a whole number of at least `least`. */
export function expectInteger(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw wrongArgument(name, value, `a whole number, at least ${least}`, { type: "number" });
  return value;
}

/** @throws ArgumentError unless `value` is a finite number within `low..high`. */
export function expectNumber(name: string, value: number, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < low || value > high) {
    const range =
      high < Number.POSITIVE_INFINITY
        ? `a number from ${low} to ${high}`
        : `a finite number${low > Number.NEGATIVE_INFINITY ? `, at least ${low}` : ""}`;
    throw wrongArgument(name, value, range, { type: "number" });
  }
  return value;
}

/**
 * DDIM's share of noise. As in diffusers, a value above 1 gets a warning. @throws ArgumentError unless it is a finite number of at least 0.
 */
export function expectEta(eta: number): number {
  expectNumber("eta", eta, 0);
  if (eta > 1)
    warn((name) => `${name("eta")} is ${eta}; it is meant to be 0 to 1 (DDIM to DDPM), and above that pictures may come out black`);
  return eta;
}

/** Height and width of the result. */
export interface SizeOptions {
  /** In pixels, a multiple of the VAE's factor. By default the size that the network was trained on. */
  readonly height?: number | undefined;
  /** As `height`. */
  readonly width?: number | undefined;
}

export const SIZE_FIELDS: Fields<SizeOptions> = { height: whole(1), width: whole(1) };

/** Height and width of a picture in pixels. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** @throws ArgumentError unless both sides are multiples of `factor`; `what` says what has so many pixels. */
export function expectSize(width: number, height: number, factor: number, what = "the pixels of one latent of this VAE"): void {
  for (const [name, value] of Object.entries({ width, height })) {
    if (!Number.isSafeInteger(value) || value <= 0 || value % factor !== 0) {
      const nearest = Math.max(factor, Math.round(value / factor) * factor);
      throw wrongArgument(name, value, `a multiple of ${factor}, ${what}`, {
        type: "number",
        hint: Number.isFinite(nearest) ? `the nearest is ${nearest}` : undefined,
      });
    }
  }
}

/** The prompts of a call as a list. */
export function promptList(name: string, prompt: string | readonly string[]): readonly string[] {
  const list = typeof prompt === "string" ? [prompt] : prompt;
  if (!Array.isArray(list) || list.length === 0 || list.some((text) => typeof text !== "string")) {
    throw wrongArgument(name, prompt, "a text or a list of texts");
  }
  return list;
}

const SEEDS = "a whole number from -2^63 to 2^64 - 1, beyond 2^53 as a bigint (123n)";

/** The source of a call's random numbers: one generator for the whole batch, or one for each picture. */
export interface RandomOptions {
  /**
   * As in `torch.manual_seed`: one seed for the batch, or a list with one for each picture. Random if neither this nor `generator` is
   * given.
   */
  readonly seed?: number | bigint | readonly (number | bigint)[] | undefined;
  /** Instead of a seed: one generator for the batch, or a list with one for each picture. Their states advance. */
  readonly generator?: Generator | readonly Generator[] | undefined;
}

export const RANDOM_FIELDS: Fields<RandomOptions> = {
  seed: oneOrList(field<number | bigint>(isSeed, SEEDS, "number"), `${SEEDS}, or a list of them`),
  generator: oneOrList(instanceOf(Generator), "a Generator, such as new Generator(7), or a list of them"),
};

function isSeed(value: unknown): boolean {
  return typeof value === "bigint" ? value >= -(2n ** 63n) && value < 2n ** 64n : Number.isSafeInteger(value);
}

/** The seeds of a call's generators: one for the batch, or one for each picture. */
export function seedsOf(generator: Generator | readonly Generator[]): bigint[] {
  return [generator].flat().map(({ initialSeed }) => initialSeed);
}

/** The generators of a call for `batch` pictures. @throws ArgumentError if a list's length is not `batch`. */
export function resolveGenerators({ seed, generator }: RandomOptions, batch: number): Generator | readonly Generator[] {
  if (seed !== undefined && generator !== undefined)
    throw new ArgumentError("both seed and generator were given; expected one of them", { argument: "generator" });
  const list = seed ?? generator;
  if (Array.isArray(list) && list.length !== batch) {
    throw new ArgumentError(
      `${list.length} ${seed === undefined ? "generators" : "seeds"} were given for ${batch} pictures; expected one, or one for each`,
      { argument: seed === undefined ? "generator" : "seed" },
    );
  }
  if (generator !== undefined) return generator;
  if ([seed].flat().some((each) => each === -1 || each === -1n)) {
    warn((name) => `${name("seed")} is -1, which is one seed here as in torch (2^64 - 1), not a random one; leave it out for a random one`);
  }
  return typeof seed === "object" ? seed.map((each) => new Generator(each)) : new Generator(seed);
}
