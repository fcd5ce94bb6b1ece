import { CheckpointError } from "../errors.js";
import type {
  BiasChange,
  ChangedWeight,
  Factor,
  HadamardProduct,
  KroneckerProduct,
  LayerChange,
  Magnitude,
  RowChoice,
  RowRange,
} from "../graph/layer-change.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";

/**
 * The part of a change that acts on some rows of its layer: for a LoRA of a joined layer (query, key and value in one matrix) on a network
 * that has them apart. A LoRA's part has the same `down` and some rows of `up`.
 * @throws CheckpointError for a change that cannot be divided. `layer` is the layer's name in the message.
 */
export function partOfChange(change: LayerChange, choice: RowChoice, layer: string): LayerChange {
  const { weight, bias } = change;
  return {
    ...(weight && partOfWeight({ ...change, weight }, choice, layer)),
    ...(bias && { bias: partOfBias(bias, choice, layer) }),
  };
}

function partOfWeight({ weight, magnitude }: ChangedWeight, choice: RowChoice, layer: string): ChangedWeight {
  const lengths = magnitude && { magnitude: partOfMagnitude(magnitude, choice, layer) };
  const range = onlyRange(choice);
  switch (weight.method) {
    case "lora":
      return range ? { weight: { ...weight, up: rowsOf(weight.up, ...range) }, ...lengths } : { weight, rows: choice, ...lengths };
    case "full":
      return range
        ? { weight: { ...weight, difference: rowsOf(weight.difference, ...range) }, ...lengths }
        : { weight, rows: choice, ...lengths };
    case "loha":
      return { ...(range ? partOfProduct(weight, range, choice) : { weight, rows: choice }), ...lengths };
    case "lokr":
      return { ...partOfKronecker(weight, choice), ...lengths };
    case "glora": {
      const output = range && rowsOfFactor(weight.output, range);
      return output ? { weight: { ...weight, output }, ...lengths } : indivisible(layer, "a GLoRA");
    }
    case "ia3":
      if (weight.axis === "in") return { weight, ...lengths };
      return { weight: { ...weight, gain: partOfVector(weight.gain, choice, layer) }, ...lengths };
  }
}

function partOfProduct(weight: HadamardProduct, range: RowRange, choice: RowChoice): ChangedWeight {
  const [a, b] = weight.factors.map((factor) => rowsOfFactor(factor, range));
  return a && b ? { weight: { ...weight, factors: [a, b] } } : { weight, rows: choice };
}

/** A Kronecker product repeats its entries for each row of its blocks. The part takes the rows of blocks that it needs. */
function partOfKronecker(weight: KroneckerProduct, choice: RowChoice): ChangedWeight {
  const [gridRows, gridColumns] = weight.grid;
  const height = choice.of / gridRows;
  const range = onlyRange(choice);
  const needed: RowRange | undefined = range && [Math.floor(range[0] / height), Math.ceil(range[1] / height)];
  const blocks = needed && rowsOfFactor(weight.blocks, needed);
  if (!range || !needed || !blocks) return { weight, rows: choice };
  const start = needed[0] * height;
  const of = (needed[1] - needed[0]) * height;
  const cut: KroneckerProduct = { ...weight, blocks, grid: [needed[1] - needed[0], gridColumns] };
  const isWhole = range[0] === start && range[1] - range[0] === of;
  return isWhole ? { weight: cut } : { weight: cut, rows: { of, ranges: [[range[0] - start, range[1] - start]] } };
}

/** The rows of a factor; undefined for a product with a core, whose left matrix is transposed. */
function rowsOfFactor(factor: Factor, range: RowRange): Factor | undefined {
  if ("whole" in factor) return { whole: rowsOf(factor.whole, ...range) };
  return factor.core ? undefined : { ...factor, left: rowsOf(factor.left, ...range) };
}

/** Lengths of columns are those of the joined matrix: the parts' own are unknown. */
function partOfMagnitude(magnitude: Magnitude, choice: RowChoice, layer: string): Magnitude {
  if (magnitude.axis === "in") return indivisible(layer, "a DoRA with lengths of columns");
  return { ...magnitude, lengths: partOfVector(magnitude.lengths, choice, layer) };
}

function partOfBias(bias: BiasChange, choice: RowChoice, layer: string): BiasChange {
  if (!("method" in bias)) return { ...bias, difference: partOfVector(bias.difference, choice, layer) };
  return { ...bias, gain: partOfVector(bias.gain, choice, layer) };
}

function partOfVector(vector: StoredTensor, choice: RowChoice, layer: string): StoredTensor {
  const range = onlyRange(choice);
  return range ? rowsOf({ ...vector, shape: [choice.of] }, ...range) : indivisible(layer, "a change of one number for each row");
}

function onlyRange({ ranges: [first, ...others] }: RowChoice): RowRange | undefined {
  return others.length === 0 ? first : undefined;
}

function indivisible(layer: string, what: string): never {
  throw new CheckpointError(`${layer} is several layers in this network, or has its rows in another order; ${what} cannot be divided`, {
    hint: "take a plain LoRA of the same subject",
  });
}
