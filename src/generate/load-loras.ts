import type { LoadLoraOptions } from "../pipelines/adapters/lora-adapters.js";
import type { Adaptable } from "./load-adapters.js";
import type { LoraRequest } from "./open-request.js";

/** LoRAs by their sources, which are found when they are loaded. */
export type SourcedLoras = readonly (LoraRequest & { readonly source: string })[];

/** Loads LoRAs into a pipeline, each with its weight. `from` has the options of their downloads. */
export async function loadLoras(
  pipe: Pick<Adaptable, "loadLoraWeights" | "setAdapters">,
  loras: SourcedLoras,
  from: (source: string) => LoadLoraOptions,
): Promise<void> {
  if (loras.length === 0) return;
  const names = loras.map((_, i) => `lora_${i}`);
  for (const [i, { source }] of loras.entries()) await pipe.loadLoraWeights(source, { ...from(source), adapterName: names[i] });
  const weights = loras.map(({ weight = 1 }) => weight);
  pipe.setAdapters(names, weights);
}
