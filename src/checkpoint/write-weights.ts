import type { OutputFolder } from "../platform/output-folder.js";
import { sizeOf } from "../tensor/tensor.js";
import { expectVariant, type SavePretrainedOptions, shardBytes } from "./saving.js";
import { jsonBytes } from "./write-json.js";
import { type OutputTensor, writeSafetensors } from "./write-safetensors.js";

/** The Python library that reads a network, which has its own names of files. */
export type Library = "diffusers" | "transformers";

const BASE_NAMES: Readonly<Record<Library, string>> = { diffusers: "diffusion_pytorch_model", transformers: "model" };

/** Writes a network's weights into one file or several, under the names that its library gives them. */
export async function writeWeights(
  folder: OutputFolder,
  library: Library,
  tensors: readonly OutputTensor[],
  { variant, maxShardSize }: Pick<SavePretrainedOptions, "variant" | "maxShardSize">,
): Promise<void> {
  expectVariant(variant);
  const base = `${BASE_NAMES[library]}${variant === undefined ? "" : `.${variant}`}`;
  const index = `${BASE_NAMES[library]}.safetensors.index${variant === undefined ? "" : `.${variant}`}.json`;
  const shards = split(tensors, shardBytes(maxShardSize));
  const number = (value: number) => String(value).padStart(5, "0");
  const nameOf = (shard: number) =>
    shards.length === 1 ? `${base}.safetensors` : `${base}-${number(shard + 1)}-of-${number(shards.length)}.safetensors`;
  await removeEarlier(folder, base, index);
  for (const [i, shard] of shards.entries()) await writeSafetensors(folder, nameOf(i), shard);
  if (shards.length === 1) return;
  const counts = { total_size: bytesOf(tensors), ...(library === "transformers" && { total_parameters: parametersOf(tensors) }) };
  const map = Object.fromEntries(shards.flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)])));
  await folder.write(index, jsonBytes({ metadata: counts, weight_map: map }));
}

/** Divides tensors as huggingface_hub does: in their order, a new file before one would be larger than `most` bytes. */
function split(tensors: readonly OutputTensor[], most: number): readonly (readonly OutputTensor[])[] {
  const shards: OutputTensor[][] = [];
  let current: OutputTensor[] = [];
  for (const tensor of tensors) {
    if (tensor.length > most) {
      shards.push([tensor]);
      continue;
    }
    if (bytesOf(current) + tensor.length > most) {
      shards.push(current);
      current = [];
    }
    current.push(tensor);
  }
  return current.length > 0 || shards.length === 0 ? [...shards, current] : shards;
}

/** Has the weights of an earlier save removed. Readers would take its index or its whole file for the new weights. */
async function removeEarlier(folder: OutputFolder, base: string, index: string): Promise<void> {
  const isWeights = (name: string) => {
    const rest = name.startsWith(base) ? name.slice(base.length) : "";
    return name === index || /^(-\d{5}-of-\d{5})?\.safetensors$/.test(rest);
  };
  for (const name of (await folder.earlier()).filter(isWeights)) folder.remove(name);
}

function bytesOf(tensors: readonly OutputTensor[]): number {
  return tensors.reduce((sum, { length }) => sum + length, 0);
}

function parametersOf(tensors: readonly OutputTensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
