import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import type { NamedTensors } from "./session.js";

/** Tensors by name; a name may have none. */
export type Results = Partial<NamedTensors>;

interface Entry {
  readonly key: string;
  readonly inputs: readonly Tensor<DType>[];
  readonly results: Results;
  readonly bytes: number;
}

/**
 * Keeps the latest results of a network with the inputs that they came from, up to `limit` bytes of both. Inputs are compared number by
 * number. What is kept is a copy, and so is what comes back: a caller may change it.
 */
export class ResultCache {
  // In order of last use.
  private entries: Entry[] = [];
  private isDisposed = false;

  constructor(private readonly limit: number) {}

  /** The results of `work` for `inputs`; kept ones of the same key and inputs, if there are any. Errors are not kept. */
  async recall<Own extends Results>(key: string, inputs: readonly Tensor<DType>[], work: () => Promise<Own>): Promise<Own> {
    const found = this.entries.find((entry) => entry.key === key && areEqual(entry.inputs, inputs));
    if (found) {
      this.entries = [...this.entries.filter((entry) => entry !== found), found];
      return copyAll(found.results) as Own;
    }
    const kept = inputs.map(copyOf);
    const results = await work();
    this.keep({ key, inputs: kept, results: copyAll(results), bytes: bytesOf([...kept, ...Object.values(results)]) });
    return results;
  }

  /** Forgets all results, and keeps none from now on. */
  dispose(): void {
    this.isDisposed = true;
    this.entries = [];
  }

  private keep(entry: Entry): void {
    if (this.isDisposed || entry.bytes > this.limit) return;
    this.entries.push(entry);
    let bytes = this.entries.reduce((sum, each) => sum + each.bytes, 0);
    while (bytes > this.limit) bytes -= this.entries.shift()?.bytes ?? bytes;
  }
}

function areEqual(some: readonly Tensor<DType>[], others: readonly Tensor<DType>[]): boolean {
  return some.length === others.length && some.every((each, i) => isEqual(each, others[i] as Tensor<DType>));
}

function isEqual(one: Tensor<DType>, other: Tensor<DType>): boolean {
  if (one.dtype !== other.dtype || String(one.shape) !== String(other.shape)) return false;
  const { data } = other;
  return one.data.every((value: number | bigint, i: number) => value === data[i]);
}

function copyOf<D extends DType>({ dtype, shape, data }: Tensor<D>): Tensor<D> {
  return new Tensor(dtype, shape, data.slice() as typeof data);
}

function copyAll(tensors: Results): Results {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor && copyOf(tensor)]));
}

function bytesOf(tensors: readonly (Tensor<DType> | undefined)[]): number {
  return tensors.reduce((sum, tensor) => sum + (tensor?.data.byteLength ?? 0), 0);
}
