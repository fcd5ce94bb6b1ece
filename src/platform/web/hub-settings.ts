import type { HubChoices, HubSettings } from "../hub.js";

const ENDPOINT = "https://huggingface.co";

/** Milliseconds to wait for an answer, and for the next bytes of a file; huggingface_hub's default. */
const TIMEOUT = 10_000;

/** The hub settings: a page has no environment, so they are the caller's choices or the defaults. */
export async function hubSettings({
  token,
  endpoint = ENDPOINT,
  cacheDir = "",
  localFilesOnly = false,
}: HubChoices = {}): Promise<HubSettings> {
  return {
    endpoint: endpoint.replace(/\/+$/, ""),
    token: token?.trim() || undefined,
    cacheDir,
    isOffline: localFilesOnly,
    apiTimeout: TIMEOUT,
    downloadTimeout: TIMEOUT,
    symlinks: false,
  };
}
