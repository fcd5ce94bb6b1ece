import type { StoredTensor } from "../tensor/stored-tensor.js";

// The changes that adapters make to layers: LoRA and related methods, as PEFT and LyCORIS define them. W is a layer's weight [out, in] or
// [out, in, kernel, kernel].

/** LoRA (Hu et al. 2021): adds scale · up · mid · down. */
export interface LowRank {
  readonly method: "lora";
  /** [rank, in], or a convolution's [rank, in, kernel, kernel]. */
  readonly down: StoredTensor;
  /** [rank, rank, kernel, kernel] in LyCORIS' Tucker form of a convolution, where `down` is 1x1. */
  readonly mid?: StoredTensor;
  /** [out, rank], perhaps with a 1x1 kernel. */
  readonly up: StoredTensor;
  readonly scale: number;
  /** How many inputs the layer has, if `down` has fewer and reads the first ones. */
  readonly inputs?: number;
}

/**
 * A matrix, whole or as a product left [rows, rank] · right [rank, columns]. With a `core` [p, q, kernel, kernel], left is [p, rows] and
 * right [q, columns].
 */
export type Factor =
  | { readonly whole: StoredTensor }
  | { readonly left: StoredTensor; readonly right: StoredTensor; readonly core?: StoredTensor };

/** LoHa (Hyeon-Woo et al. 2021): adds scale times the element-wise product of two matrices. */
export interface HadamardProduct {
  readonly method: "loha";
  readonly factors: readonly [Factor, Factor];
  readonly scale: number;
}

/** LoKr (Yeh et al. 2023): adds scale times the Kronecker product of `blocks` [a, b] and `entries` [out / a, in / b, kernel, kernel]. */
export interface KroneckerProduct {
  readonly method: "lokr";
  readonly blocks: Factor;
  readonly entries: Factor;
  /** The extents a and b. */
  readonly grid: readonly [rows: number, columns: number];
  readonly scale: number;
}

/** GLoRA (Chavan et al. 2023): adds scale · (W · input + output). */
export interface GeneralizedLowRank {
  readonly method: "glora";
  readonly input: Factor;
  readonly output: Factor;
  readonly scale: number;
}

/** LyCORIS' full method and trained norms: adds a tensor of the weight's shape. */
export interface FullDifference {
  readonly method: "full";
  readonly difference: StoredTensor;
}

/** (IA)^3 (Liu et al. 2022): multiplies the layer's outputs or inputs. */
export interface Gain {
  readonly method: "ia3";
  readonly gain: StoredTensor;
  readonly axis: Axis;
  /** The gain that changes nothing: 1 in PEFT, 0 in LyCORIS. */
  readonly neutral: 0 | 1;
}

/** An axis of a weight: its rows or its columns. */
export type Axis = "out" | "in";

/** How a weight changes. */
export type WeightChange = LowRank | HadamardProduct | KroneckerProduct | GeneralizedLowRank | FullDifference | Gain;

/** DoRA (Liu et al. 2024): rescales the vectors of the changed weight along `axis` to these lengths. */
export interface Magnitude {
  readonly lengths: StoredTensor;
  readonly axis: Axis;
  /**
   * How an adapter's weight w is applied. PEFT: scales the change by w before the lengths are measured. LyCORIS: adds the whole change, and
   * multiplies by 1 + w · (trained length / length - 1).
   */
  readonly weighting: "peft" | "lycoris";
}

/** How a bias changes: by a difference, or by an IA3's gain on the outputs. */
export type BiasChange = { readonly difference: StoredTensor; readonly scale: number } | Gain;

/** How one layer changes. */
export type LayerChange = (ChangedWeight | { readonly weight?: undefined }) & { readonly bias?: BiasChange };

/** A change of a layer's weight. */
export interface ChangedWeight {
  readonly weight: WeightChange;
  readonly magnitude?: Magnitude;
  /** The rows of `weight`'s product that the layer has, if they are not all of them in their order. Only for Kronecker products. */
  readonly rows?: RowChoice;
}

/** The rows `start` to `end` (excluded) of a matrix. */
export type RowRange = readonly [start: number, end: number];

/** Rows that are taken from a matrix, one range after the other. */
export interface RowChoice {
  /** How many rows the matrix has. */
  readonly of: number;
  readonly ranges: readonly [RowRange, ...RowRange[]];
}

/** Whether a layer's weight changes, not only its bias. */
export function changesWeight(change: LayerChange): change is ChangedWeight & { readonly bias?: BiasChange } {
  return change.weight !== undefined;
}

/** The change if it can be computed beside the layer: a plain LoRA. Any other change needs the weight itself. */
export function besideLayer(change: LayerChange): LowRank | undefined {
  return changesWeight(change) && change.weight.method === "lora" && !change.magnitude && !change.rows ? change.weight : undefined;
}
