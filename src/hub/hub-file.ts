import { ArgumentError, CheckpointError } from "../errors.js";
import { isRepositoryId, isSafePath } from "./repository-id.js";

/** A file of a hub repository. */
export interface HubFile {
  readonly id: string;
  /** Undefined for a short name, `OWNER/NAME/FILE`. */
  readonly revision: string | undefined;
  readonly path: string;
}

/** Whether a source looks like a web address, or an address on the hub without https://. */
export function isLink(source: string): boolean {
  return /^(https?:\/\/|huggingface\.co\/|hf\.co\/)/i.test(source);
}

/**
 * Parses the address of a file on the hub: `https://huggingface.co/OWNER/NAME/blob/REVISION/FILE`, or the same with `resolve` instead of `blob`.
 * `endpoint` is the address of the hub in use. Both it and huggingface.co are accepted.
 * @throws CheckpointError for any other address.
 */
export function parseHubLink(link: string, endpoint: string): HubFile {
  const [address = ""] = link.split(/[?#]/);
  const hubs = [`${endpoint}/`, "https://huggingface.co/", "http://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/"];
  const hub = hubs.find((start) => address.toLowerCase().startsWith(start.toLowerCase()));
  const name = hub === undefined ? "" : decoded(address.slice(hub.length)).replace(/\/$/, "");
  const [, id = "", revision = "", path = ""] =
    /^([^/]+\/[^/]+)\/(?:blob|resolve)\/(refs\/(?:pr|convert)\/[^/]+|[^/]+)\/(.+)$/.exec(name) ?? [];
  if (isRepositoryId(id) && isSafePath(path)) return { id, revision, path };
  throw new CheckpointError(`${link} is not the address of a file on the hub`, {
    hint: isRepositoryId(name)
      ? `to open the repository, give its id: ${name}`
      : "expected https://huggingface.co/OWNER/NAME/blob/REVISION/FILE.safetensors; download a file from elsewhere first, and give its path",
  });
}

/**
 * Parses the short name of a file on the hub: `OWNER/NAME/FILE`, with the folders of the file if it has any. Undefined for anything else.
 */
export function parseHubFile(source: string): HubFile | undefined {
  const [, id = "", path = ""] = /^([^/]+\/[^/]+)\/(.+)$/.exec(source) ?? [];
  return isRepositoryId(id) && isSafePath(path) ? { id, revision: undefined, path } : undefined;
}

/**
 * The revision by a file's address and the option `revision`. "main" in an address gives way to the option: addresses are copied from pages
 * that show it.
 * @throws ArgumentError if the address and the option name different revisions.
 */
export function revisionOf({ id, revision: own }: HubFile, asked: string | undefined): string | undefined {
  if (own === undefined || own === "main") return asked ?? own;
  if (asked === undefined || asked === own) return own;
  throw new ArgumentError(
    (name) => `${name("revision")} is ${JSON.stringify(asked)}, but the address of the file in ${id} names ${JSON.stringify(own)}`,
    {
      argument: "revision",
      hint: "leave out one of the two",
    },
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
