import type { Folder } from "../platform/folder.js";
import { type AdapterKind, type AdapterSource, findAdapter } from "./find-adapter.js";
import type { FoundSource } from "./find-source.js";
import type { FoundFile } from "./open-file.js";

/** The file name that diffusers writes. */
const EMBEDDING: AdapterKind = {
  name: "embedding",
  wanted: "textual-inversion",
  usualNames: ["learned_embeds.safetensors"],
  conversion:
    'in Python, state = torch.load(file, weights_only=True); save_file({"emb_params": state["string_to_param"]["*"]} if "string_to_param" in state else state, "name.safetensors")',
};

/**
 * Finds the file of an embedding: `source` itself, or the file in a folder or hub repository (`owner/name`). A file on the hub is
 * downloaded unless it is in the cache.
 * @throws CheckpointError if there is no such file, or several and none is named; HubError
 */
export function findEmbedding(source: string | Folder | FoundSource, from: AdapterSource): Promise<FoundFile> {
  return findAdapter(source, from, EMBEDDING);
}
