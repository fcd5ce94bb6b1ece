import { ArgumentError, CheckpointError } from "../errors.js";
import { isRepositoryId, isSafePath } from "./repository-id.js";

/** A file of a hub repository. */
export interface HubFile {
  readonly id: string;
  /** Undefined where its name does not say it. */
  readonly revision: string | undefined;
  readonly path: string;
}

/** Whether a source reads as an address of the web, or of the hub without https://. */
export function isLink(source: string): boolean {
  return /^(https?:\/\/|huggingface\.co\/|hf\.co\/)/i.test(source);
}

/**
 * Takes the address of a file on the hub apart, as its pages have it: `https://huggingface.co/OWNER/NAME/blob/REVISION/FILE`, or `resolve` in place
 * of `blob`. `endpoint` is the hub's own address, which counts as well as huggingface.co.
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
  throw new CheckpointError(`${link} is no address of a file on the hub`, {
    hint: isRepositoryId(name)
      ? `a repository is named by its id, ${name}`
      : "expected https://huggingface.co/OWNER/NAME/blob/REVISION/FILE.safetensors; a file from elsewhere must be downloaded first",
  });
}

/** Takes the short name of a file on the hub apart, `OWNER/NAME/FILE`, with the folders that the file lies in before its name; undefined for any other. */
export function parseHubFile(source: string): HubFile | undefined {
  const [, id = "", path = ""] = /^([^/]+\/[^/]+)\/(.+)$/.exec(source) ?? [];
  return isRepositoryId(id) && isSafePath(path) ? { id, revision: undefined, path } : undefined;
}

/**
 * The revision that is meant by a file's name and by the option `revision`. Addresses are copied from pages of "main", so that says nothing.
 * @throws ArgumentError if they say two.
 */
export function revisionOf({ id, revision: own }: HubFile, asked: string | undefined): string | undefined {
  if (own === undefined || own === "main") return asked ?? own;
  if (asked === undefined || asked === own) return own;
  throw new ArgumentError(
    (name) => `${name("revision")} is ${JSON.stringify(asked)}, but the address of ${id} is that of ${JSON.stringify(own)}`,
    {
      argument: "revision",
      hint: "name it in one of them only",
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
