import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { ConfigError } from "../../errors.js";
import type { HubChoices, HubSettings, HubWords } from "../hub.js";

const ENDPOINT = "https://huggingface.co";
const WORDS: HubWords = {
  token: "HF_TOKEN",
  endpoint: "HF_ENDPOINT",
  offline: "HF_HUB_OFFLINE",
  connection: "check the connection (behind a proxy, set NODE_USE_ENV_PROXY=1, which Node supports from 22.21 on)",
};
const TRUE = ["1", "ON", "YES", "TRUE"];

/**
 * The hub settings, by the environment variables of Python's huggingface_hub.
 * @throws ConfigError if a variable has an impossible value.
 */
export async function hubSettings({ token, endpoint, cacheDir, localFilesOnly = false }: HubChoices = {}): Promise<HubSettings> {
  return {
    endpoint: endpoint?.replace(/\/+$/, "") ?? environmentEndpoint(),
    token: clean(token) ?? (await implicitToken()),
    cacheDir: hubCacheDir(cacheDir),
    isOffline: localFilesOnly || isSet("HF_HUB_OFFLINE") || isSet("TRANSFORMERS_OFFLINE"),
    apiTimeout: seconds("HF_HUB_ETAG_TIMEOUT"),
    downloadTimeout: seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
    symlinks: !isSet("HF_HUB_DISABLE_SYMLINKS"),
    words: WORDS,
  };
}

/** The folder that holds `models--owner--name` folders. */
export function hubCacheDir(cacheDir?: string): string {
  if (cacheDir !== undefined) return resolve(expand(cacheDir));
  return resolve(expand(variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE") ?? join(home(), "hub")));
}

function home(): string {
  return expand(variable("HF_HOME") ?? join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface"));
}

function environmentEndpoint(): string {
  const given = variable("HF_ENDPOINT") ?? ENDPOINT;
  if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) return given.replace(/\/+$/, "");
  throw new ConfigError(`HF_ENDPOINT is ${JSON.stringify(given)}; expected an address such as ${ENDPOINT}`, {
    hint: "unset it to use the Hugging Face hub itself",
  });
}

/** The token of the environment, or the one that `hf auth login` saved. */
async function implicitToken(): Promise<string | undefined> {
  if (isSet("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return undefined;
  const named = clean(variable("HF_TOKEN")) ?? clean(variable("HUGGING_FACE_HUB_TOKEN"));
  if (named !== undefined) return named;
  const path = expand(variable("HF_TOKEN_PATH") ?? join(home(), "token"));
  return clean(await readFile(path, "utf8").catch(() => undefined));
}

/** A token without the line break at the end of files and copied text. */
function clean(token: string | undefined): string | undefined {
  const text = token?.replace(/[\r\n]/g, "").trim();
  return text === "" ? undefined : text;
}

function seconds(name: string): number {
  const text = variable(name) ?? "10";
  const value = Number(text);
  if (value > 0 && value < 1e6) return value * 1000;
  throw new ConfigError(`${name} is ${JSON.stringify(text)}; expected seconds, more than 0`);
}

/** Replaces `~` and `$NAME`, as a shell does. */
function expand(path: string): string {
  const full = path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (text, braced, bare) => variable(braced ?? bare) ?? text);
  return full === "~" || /^~[/\\]/.test(full) ? join(homedir(), full.slice(1)) : full;
}

function isSet(name: string): boolean {
  return TRUE.includes(variable(name)?.toUpperCase() ?? "");
}

/** An environment variable; undefined if it is empty. */
function variable(name: string): string | undefined {
  const value = process.env[name];
  return value === "" ? undefined : value;
}
