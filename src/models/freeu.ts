import { ArgumentError } from "../errors.js";
import type { FreeUBlock } from "../layers/freeu.js";
import { type Fields, needed, real } from "../options/fields.js";

/** The factors of FreeU (Si et al. 2023), all other than 0. */
export interface FreeUFactors {
  /** Factor of the lowest frequencies of the first up block's skips. */
  readonly s1: number;
  /** Factor of the lowest frequencies of the second up block's skips. */
  readonly s2: number;
  /** Factor of half of the channels that enter the first up block's layers. */
  readonly b1: number;
  /** Factor of half of the channels that enter the second up block's layers. */
  readonly b2: number;
}

const factor = needed(real(), "such as { s1: 0.9, s2: 0.2, b1: 1.5, b2: 1.6 }");

export const FREEU_FIELDS: Fields<FreeUFactors> = { s1: factor, s2: factor, b1: factor, b2: factor };

/** @throws ArgumentError for a factor of 0, with which diffusers turns all of FreeU off. */
export function expectFreeU(factors: FreeUFactors): FreeUFactors {
  const zero = (["s1", "s2", "b1", "b2"] as const).find((name) => factors[name] === 0);
  if (zero === undefined) return factors;
  throw new ArgumentError(`${zero} is 0; FreeU expects numbers other than 0`, {
    argument: zero,
    hint: "disableFreeU turns FreeU off",
  });
}

/** The factors of up block `j`, the coarsest first; undefined for all but the first two. */
export function freeUOf({ s1, s2, b1, b2 }: FreeUFactors, j: number): FreeUBlock | undefined {
  if (j === 0) return { skip: s1, backbone: b1 };
  return j === 1 ? { skip: s2, backbone: b2 } : undefined;
}
