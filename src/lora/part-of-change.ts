import { CheckpointError } from "../errors.js";
import type { BiasChange, ChangedWeight, Factor, KroneckerProduct, LayerChange, Magnitude, RowRange } from "../graph/layer-change.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";

/** The rows that one layer has of a layer that a file has joined, or has in another order. */
export interface PartRows {
  /** How many rows the file's layer has. */
  readonly of: number;
  readonly range: RowRange;
  /** Whether the file has the second half of these rows first. */
  readonly swapsHalves: boolean;
}

/**
 * The part of a change that acts on some rows of its layer: for a LoRA of a joined layer (query, key and value in one matrix) on a network
 * that has them apart. A LoRA's part has the same `down` and some rows of `up`.
 * @throws CheckpointError for a change that cannot be divided. `layer` is the layer's name in the message.
 */
export function partOfChange(change: LayerChange, rows: PartRows, layer: string): LayerChange {
  const { weight, bias } = change;
  return {
    ...(weight && partOfWeight({ ...change, weight }, rows, layer)),
    ...(bias && { bias: partOfBias(bias, rows) }),
  };
}

function partOfWeight({ weight, magnitude }: ChangedWeight, rows: PartRows, layer: string): ChangedWeight {
  const lengths = magnitude && { magnitude: partOfMagnitude(magnitude, rows, layer) };
  switch (weight.method) {
    case "lora":
      return { weight: { ...weight, up: partOfTensor(weight.up, rows) }, ...lengths };
    case "full":
      return { weight: { ...weight, difference: partOfTensor(weight.difference, rows) }, ...lengths };
    case "loha": {
      const [a, b] = weight.factors.map((factor) => partOfFactor(factor, rows, layer)) as [Factor, Factor];
      return { weight: { ...weight, factors: [a, b] }, ...lengths };
    }
    case "lokr":
      return { ...partOfKronecker(weight, rows), ...lengths };
    case "glora":
      // The input's matrix multiplies the layer's own rows.
      return { weight: { ...weight, output: partOfFactor(weight.output, rows, layer) }, ...lengths };
    case "ia3":
      return { weight: weight.axis === "in" ? weight : { ...weight, gain: partOfVector(weight.gain, rows) }, ...lengths };
  }
}

/** A Kronecker product repeats its entries for each row of its blocks. The part takes the rows of blocks that it needs. */
function partOfKronecker(weight: KroneckerProduct, { of: total, range: [start, end], swapsHalves }: PartRows): ChangedWeight {
  const [gridRows, gridColumns] = weight.grid;
  const height = total / gridRows;
  const needed: RowRange = [Math.floor(start / height), Math.ceil(end / height)];
  const blocks = cutFactor(weight.blocks, needed);
  const of = (needed[1] - needed[0]) * height;
  const first = needed[0] * height;
  const own: RowRange = [start - first, end - first];
  const cut: KroneckerProduct = { ...weight, blocks, grid: [needed[1] - needed[0], gridColumns] };
  if (swapsHalves) {
    const middle = (own[0] + own[1]) / 2;
    const [low, high]: readonly RowRange[] = [
      [own[0], middle],
      [middle, own[1]],
    ];
    return { weight: cut, rows: { of, ranges: [high as RowRange, low as RowRange] } };
  }
  return own[0] === 0 && own[1] === of ? { weight: cut } : { weight: cut, rows: { of, ranges: [own] } };
}

function partOfFactor(factor: Factor, rows: PartRows, layer: string): Factor {
  if ("whole" in factor) return { whole: partOfTensor(factor.whole, rows) };
  if (factor.core) return indivisible(layer, "an adapter in Tucker form");
  return { ...factor, left: partOfTensor(factor.left, rows) };
}

/** The rows of a Kronecker product's blocks, which have no core. */
function cutFactor(factor: Factor, range: RowRange): Factor {
  return "whole" in factor ? { whole: rowsOf(factor.whole, ...range) } : { ...factor, left: rowsOf(factor.left, ...range) };
}

/** Lengths of columns are those of the joined matrix: the parts' own are unknown. */
function partOfMagnitude(magnitude: Magnitude, rows: PartRows, layer: string): Magnitude {
  if (magnitude.axis === "out") return { ...magnitude, lengths: partOfVector(magnitude.lengths, rows) };
  // Another order of the rows does not change the lengths of columns.
  if (rows.range[0] === 0 && rows.range[1] === rows.of) return magnitude;
  return indivisible(layer, "a DoRA with lengths of columns");
}

function partOfBias(bias: BiasChange, rows: PartRows): BiasChange {
  if (!("method" in bias)) return { ...bias, difference: partOfVector(bias.difference, rows) };
  return { ...bias, gain: partOfVector(bias.gain, rows) };
}

function partOfVector(vector: StoredTensor, rows: PartRows): StoredTensor {
  return partOfTensor({ ...vector, shape: [rows.of] }, rows);
}

function partOfTensor(tensor: StoredTensor, { range, swapsHalves }: PartRows): StoredTensor {
  const part = rowsOf(tensor, ...range);
  return swapsHalves ? { ...part, swapsHalves } : part;
}

function indivisible(layer: string, what: string): never {
  throw new CheckpointError(`${layer} is several layers in this network; ${what} cannot be divided among them`, {
    hint: "take a plain LoRA of the same subject",
  });
}
