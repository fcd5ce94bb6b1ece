import type { HubChoices, HubSettings, HubWords } from "../hub.js";

const ENDPOINT = "https://huggingface.co";

const WORDS: HubWords = {
  token: "the option token",
  endpoint: "the option endpoint",
  offline: undefined,
  connection: "check the connection, and that the page's policy (connect-src) and the hub (access-control-allow-origin) allow the request",
};

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
    words: WORDS,
  };
}
