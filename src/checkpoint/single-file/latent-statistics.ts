import type { Folder } from "../folder.js";
import { readTensor, type SafetensorsHeader, toStoredTensor } from "../safetensors.js";

/** Mean and standard deviation of a UNet's latents, one number for each channel. */
export interface LatentStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** From vae/config.json of playgroundai/playground-v2.5-1024px-aesthetic. */
const PLAYGROUND: LatentStatistics = { mean: [-1.6574, 1.886, -1.383, 2.5155], std: [8.4927, 5.9022, 6.5498, 5.2299] };

const CHANNELS = 4;

/** The statistics in a file's `edm_mean` and `edm_std`; Playground 2.5's own if these tensors are not valid ones. */
export async function readLatentStatistics(header: SafetensorsHeader, folder: Folder, path: string): Promise<LatentStatistics> {
  const [mean, std] = [await numbers(header, folder, path, "edm_mean"), await numbers(header, folder, path, "edm_std")];
  return mean && std?.every((value) => value > 0) ? { mean, std } : PLAYGROUND;
}

async function numbers(header: SafetensorsHeader, folder: Folder, path: string, name: string): Promise<readonly number[] | undefined> {
  const stored = header.tensors.get(name);
  if (!stored || stored.shape.reduce((size, extent) => size * extent, 1) !== CHANNELS) return undefined;
  const values = (await readTensor(folder, path, toStoredTensor(stored, header.name))).toArray().map(Number);
  return values.every(Number.isFinite) ? values : undefined;
}
