import { writeTo } from "../../checkpoint/saving.js";
import { writeSafetensors } from "../../checkpoint/write-safetensors.js";
import { ArgumentError } from "../../errors.js";
import { loraContents, type NetworkChanges } from "../../lora/save-lora.js";
import { savedTensor } from "../../models/saved-tensors.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, text } from "../../options/fields.js";
import { warn } from "../../warnings.js";
import type { LoraNetworks } from "./lora-adapters.js";

/** Options of `saveLoraWeights`. */
export interface SaveLoraOptions {
  /** The adapter to save; by default the only one that is loaded, or the only active one. */
  readonly adapterName?: string | undefined;
  /** The file's name; "pytorch_lora_weights.safetensors" by default. */
  readonly weightName?: string | undefined;
}

const FIELDS: Fields<SaveLoraOptions> = { adapterName: text, weightName: text };

/** Writes one adapter of the networks into a file of `folder`. */
export async function saveLora(folder: string, networks: LoraNetworks, options: SaveLoraOptions): Promise<void> {
  const { adapterName, weightName = "pytorch_lora_weights.safetensors" } = checkOptions(options, FIELDS, { call: "saveLoraWeights" });
  if (!/^[^/\\]+\.safetensors$/.test(weightName)) {
    throw new ArgumentError(`weightName is ${JSON.stringify(weightName)}; expected a file's name that ends in .safetensors`, {
      argument: "weightName",
    });
  }
  const name = chosen(networks, adapterName);
  const changed = [...networks].flatMap(([part, { adapters, weights }]): NetworkChanges[] => {
    const layers = adapters.changesOf(name);
    return layers && layers.size > 0 ? [{ part, layers, axesOf: (path) => weights.get(`${path}.weight`).shape.length }] : [];
  });
  if (changed.length === 0)
    throw new ArgumentError(`the adapter ${name} changes no layer; it cannot be saved`, { argument: "adapterName" });
  if ([...networks.values()].some(({ adapters }) => adapters.tokensOf([name]).length > 0)) {
    warn(`the embeddings of the adapter ${name} are not saved with it; keep its own file`);
  }
  const { matrices, config } = loraContents(name, changed);
  await writeTo(folder, async (output) => {
    for (const { stored } of matrices) output.needs(stored.file);
    const tensors = matrices.map(({ name, shape, stored }) => savedTensor(stored, { name, shape }));
    await writeSafetensors(output, weightName, tensors, { format: "pt", lora_adapter_metadata: config });
  });
}

function chosen(networks: LoraNetworks, asked: string | undefined): string {
  const all = [...networks.values()].map(({ adapters }) => adapters);
  const names = [...new Set(all.flatMap((adapters) => adapters.names))];
  const active = [...new Set(all.flatMap((adapters) => adapters.activeNames))];
  const [name, another] = asked !== undefined ? [asked] : names.length === 1 ? names : active;
  if (name !== undefined && another === undefined && names.includes(name)) return name;
  const loaded = names.length === 0 ? "no LoRA is loaded" : `the loaded LoRAs are ${names.join(", ")}`;
  throw new ArgumentError(asked === undefined ? `saveLoraWeights saves one LoRA; ${loaded}` : `there is no adapter ${asked}; ${loaded}`, {
    argument: "adapterName",
    hint: names.length === 0 ? "load one first: loadLoraWeights(path)" : `name one: { adapterName: "${names[0]}" }`,
  });
}
