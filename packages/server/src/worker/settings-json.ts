import type { RunSettings } from "darkroom/generate";

/**
 * Settings as JSON: seeds are texts, and of adapters there are names and hashes, no files. `model` is the name by which the server offers
 * it.
 */
export function settingsJson({ seeds, loras, embeddings, ...settings }: RunSettings, model: string): Record<string, unknown> {
  const all = {
    ...settings,
    model,
    seeds: seeds.map(String),
    loras: loras.map(({ file: _, ...lora }) => lora),
    embeddings: embeddings.map(({ tokens, hash }) => ({ tokens, hash })),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
