import { basename, dirname, join } from "node:path";
import { openFolder } from "#platform";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { readTensor, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { VirtualFolder } from "../../src/checkpoint/single-file/virtual-folder.js";
import { readWeightsHeader } from "../../src/checkpoint/weights-header.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly, NotSupported } from "./comparison.js";
import { runModel } from "./models.js";

/** The fields of a case of quantised weights. */
interface QuantisedMeta {
  /** The file of weights, in the folder of checkpoints. */
  readonly file?: string;
  /** The network that the file is of; none: its tensors are compared. */
  readonly class?: string;
  /** The folder of a network with such weights. */
  readonly folder?: string;
  /** The network in the folder of checkpoints whose config it has; a checkpoint's is its transformer. */
  readonly base?: string;
  /** Its config, if it has no base. */
  readonly config?: JsonObject;
}

/** Compares the numbers of all tensors of a file, or what a network of quantised weights computes. */
export async function compareQuantised(
  parityCase: ParityCase,
  { checkpoints, engine }: { readonly checkpoints: string; readonly engine: Engine },
): Promise<Comparison[]> {
  const meta = parityCase.meta as QuantisedMeta;
  if (meta.class !== undefined) return compareNetwork(meta.class, parityCase, { checkpoints, engine });
  if (meta.file === undefined) throw new NotSupported("a case without a file");
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

async function compareNetwork(
  className: string,
  parityCase: ParityCase,
  { checkpoints, engine }: { readonly checkpoints: string; readonly engine: Engine },
): Promise<Comparison[]> {
  const { file, folder, base, config } = parityCase.meta as QuantisedMeta;
  if (folder !== undefined) return runModel(className, join(checkpoints, folder), parityCase, { engine });
  const own = config && new VirtualFolder("config", { files: { "config.json": () => config } });
  const part = base?.includes("/") ? base : `${base}/transformer`;
  const opened = await openCheckpoint(join(checkpoints, file ?? ""), {
    config: own ?? join(checkpoints, part),
    wanted: { kind: "network", network: base?.includes("/") ? "text_encoder" : "transformer" },
  });
  return runModel(className, opened, parityCase, { engine });
}
