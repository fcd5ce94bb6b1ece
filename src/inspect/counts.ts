import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import type { Weights } from "../checkpoint/weights.js";
import { sizeOf } from "../tensor/tensor.js";
import type { TensorCounts } from "./inspection.js";

/** The tensors of a whole file. */
export function countFile({ tensors }: SafetensorsHeader): TensorCounts {
  return [...tensors.values()]
    .map(({ shape, length, dtype }) => ({ tensors: 1, parameters: sizeOf(shape), bytes: length, dtypes: { [dtype]: 1 } }))
    .reduce(sum, NONE);
}

/** The tensors of one network. */
export function countWeights(weights: Weights): TensorCounts {
  return { tensors: weights.names().length, parameters: weights.parameters, bytes: weights.bytes, dtypes: weights.dtypes() };
}

/** The tensors of several networks. */
export function total(counts: readonly TensorCounts[]): TensorCounts {
  return counts.reduce(sum, NONE);
}

const NONE: TensorCounts = { tensors: 0, parameters: 0, bytes: 0, dtypes: {} };

function sum(a: TensorCounts, b: TensorCounts): TensorCounts {
  const dtypes = { ...a.dtypes };
  for (const [dtype, count] of Object.entries(b.dtypes)) dtypes[dtype] = (dtypes[dtype] ?? 0) + count;
  return { tensors: a.tensors + b.tensors, parameters: a.parameters + b.parameters, bytes: a.bytes + b.bytes, dtypes };
}
