import { basename, dirname, join } from "node:path";
import { openFolder } from "#platform";
import { readTensor, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { readWeightsHeader } from "../../src/checkpoint/weights-header.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly, NotSupported } from "./comparison.js";

/** The fields of a case of quantised weights. */
interface QuantisedMeta {
  /** The file of weights, in the folder of checkpoints. */
  readonly file?: string;
  /** The network that the file is of; none: its tensors are compared. */
  readonly class?: string;
}

/** Compares the numbers of all tensors of a file, or what a network of quantised weights computes. */
export async function compareQuantised(parityCase: ParityCase, { checkpoints }: { readonly checkpoints: string }): Promise<Comparison[]> {
  const meta = parityCase.meta as QuantisedMeta;
  if (meta.class !== undefined || meta.file === undefined) throw new NotSupported(`networks of class ${meta.class}`);
  const path = join(checkpoints, meta.file);
  const [folder, file] = [openFolder(dirname(path)), basename(path)];
  const { tensors } = await readWeightsHeader(folder, file);
  const expected = parityCase.tensors();
  const comparisons: Comparison[] = [];
  for (const [name, numbers] of Object.entries(expected)) {
    const stored = tensors.get(name);
    if (!stored) throw new Error(`${path} has no tensor ${name}`);
    const read = await readTensor(folder, file, toStoredTensor(stored, file));
    comparisons.push(exactly(name, read.to("float32"), numbers));
  }
  return comparisons;
}
