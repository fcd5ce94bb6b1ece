import type { Folder } from "../platform/folder.js";
import { type AdapterKind, type AdapterSource, findAdapter } from "./find-adapter.js";
import type { FoundSource } from "./find-source.js";
import type { FoundFile } from "./open-file.js";

const IP_ADAPTER: AdapterKind = {
  name: "IP-Adapter",
  wanted: "ip-adapter",
  usualNames: [],
  conversion:
    'in Python, state = torch.load(file, weights_only=True); save_file({f"{part}.{key}": value for part in state for key, value in state[part].items()}, "name.safetensors")',
};

/**
 * Finds the file of an IP-Adapter: `source` itself, or the file in a folder or hub repository (`owner/name`). A file on the hub is
 * downloaded unless it is in the cache.
 * @throws CheckpointError if there is no such file, or several and none is named; HubError
 */
export function findIPAdapter(source: string | Folder | FoundSource, options: AdapterSource): Promise<FoundFile> {
  return findAdapter(source, options, IP_ADAPTER);
}
