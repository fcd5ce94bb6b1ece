import type { Folder } from "../platform/folder.js";
import { type AdapterKind, type AdapterSource, findAdapter } from "./find-adapter.js";
import type { FoundSource } from "./find-source.js";
import type { FoundFile } from "./open-file.js";

/** Where a LoRA is taken from. */
export type LoraSource = AdapterSource;

/** What diffusers and PEFT call their files, and what PEFT keeps beside its own. */
const LORA: AdapterKind = {
  name: "LoRA",
  wanted: "lora",
  usualNames: ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"],
  companions: ["adapter_config.json"],
};

/**
 * The file of a LoRA: `source` itself, or the one that a folder or a hub repository (`owner/name`) holds, downloaded where it is not yet.
 * @throws CheckpointError if there is none, or there are several and none is named; HubError
 */
export function findLora(source: string | Folder | FoundSource, options: LoraSource): Promise<FoundFile> {
  return findAdapter(source, options, LORA);
}
