import type { NormalisedLatents } from "../../families/edm.js";
import type { Folder } from "../../platform/folder.js";
import { readTensor, type SafetensorsHeader, toStoredTensor } from "../safetensors.js";

/** How a UNet's latents are normalised: by a mean and a standard deviation for each channel, then by a scale. */
export interface LatentStatistics {
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The statistics in a file; `usual`, those of the published checkpoint, if the file's tensors are not valid. */
export async function readLatentStatistics(
  header: SafetensorsHeader,
  folder: Folder,
  path: string,
  usual: NormalisedLatents,
): Promise<LatentStatistics> {
  const read = (tensor: string) => numbers(header, folder, path, tensor, usual.mean.length);
  const [mean, std] = [await read(usual.tensors.mean), await read(usual.tensors.std)];
  const { scale } = usual;
  return mean && std?.every((value) => value > 0) ? { scale, mean, std } : { scale, mean: usual.mean, std: usual.std };
}

async function numbers(
  header: SafetensorsHeader,
  folder: Folder,
  path: string,
  name: string,
  channels: number,
): Promise<readonly number[] | undefined> {
  const stored = header.tensors.get(name);
  if (!stored || stored.shape.reduce((size, extent) => size * extent, 1) !== channels) return undefined;
  const values = (await readTensor(folder, path, toStoredTensor(stored, header.name))).toArray().map(Number);
  return values.every(Number.isFinite) ? values : undefined;
}
