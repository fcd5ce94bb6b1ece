import type { Folder } from "../platform/folder.js";
import { type AdapterKind, type AdapterSource, findAdapter } from "./find-adapter.js";
import type { FoundSource } from "./find-source.js";
import type { FoundFile } from "./open-file.js";

/** Where a LoRA is taken from. */
export type LoraSource = AdapterSource;

/** The file names that diffusers and PEFT write, and the config that PEFT writes beside its file. */
const LORA: AdapterKind = {
  name: "LoRA",
  wanted: "lora",
  usualNames: ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"],
  companions: ["adapter_config.json"],
};

/**
 * Finds the file of a LoRA: `source` itself, or the file in a folder or hub repository (`owner/name`). A file on the hub is downloaded
 * unless it is in the cache.
 * @throws CheckpointError if there is no such file, or several and none is named; HubError
 */
export function findLora(source: string | Folder | FoundSource, options: LoraSource): Promise<FoundFile> {
  return findAdapter(source, options, LORA);
}
