/**
 * Formats of quantised weights as ggml defines them (ggml-common.h): a tensor's numbers in blocks of 32 or 256, each with scales of its
 * own. The names are ggml's.
 */
export type BlockFormat = "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q2_K" | "Q3_K" | "Q4_K" | "Q5_K" | "Q6_K" | "IQ4_NL" | "IQ4_XS";

/** The size of a format's blocks. */
export interface BlockSize {
  /** How many numbers a block has. */
  readonly numbers: number;
  /** How many bytes it takes. */
  readonly bytes: number;
}

const SIZES: { readonly [F in BlockFormat]: BlockSize } = {
  Q4_0: { numbers: 32, bytes: 18 },
  Q4_1: { numbers: 32, bytes: 20 },
  Q5_0: { numbers: 32, bytes: 22 },
  Q5_1: { numbers: 32, bytes: 24 },
  Q8_0: { numbers: 32, bytes: 34 },
  Q2_K: { numbers: 256, bytes: 84 },
  Q3_K: { numbers: 256, bytes: 110 },
  Q4_K: { numbers: 256, bytes: 144 },
  Q5_K: { numbers: 256, bytes: 176 },
  Q6_K: { numbers: 256, bytes: 210 },
  IQ4_NL: { numbers: 32, bytes: 18 },
  IQ4_XS: { numbers: 256, bytes: 136 },
};

/** All formats. */
export const BLOCK_FORMATS = Object.keys(SIZES) as readonly BlockFormat[];

/** Whether this is the name of a format. */
export function isBlockFormat(name: string): name is BlockFormat {
  return Object.hasOwn(SIZES, name);
}

/** The size of the format's blocks. */
export function blockSize(format: BlockFormat): BlockSize {
  return SIZES[format];
}

/** What the 16 codes of IQ4_NL and IQ4_XS stand for (ggml's kvalues_iq4nl). */
export const IQ4_VALUES: readonly number[] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
