import { CheckpointError } from "../errors.js";
import { isRepositoryId, isSafePath } from "./repository-id.js";

/** A file of a hub repository. */
export interface HubLink {
  readonly id: string;
  readonly revision: string;
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
export function parseHubLink(link: string, endpoint: string): HubLink {
  const [address = ""] = link.split(/[?#]/);
  const hubs = [`${endpoint}/`, "https://huggingface.co/", "http://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/"];
  const hub = hubs.find((start) => address.toLowerCase().startsWith(start.toLowerCase()));
  const [, id = "", revision = "", path = ""] =
    /^([^/]+\/[^/]+)\/(?:blob|resolve)\/(refs\/(?:pr|convert)\/[^/]+|[^/]+)\/(.+)$/.exec(
      hub === undefined ? "" : decoded(address.slice(hub.length)),
    ) ?? [];
  if (isRepositoryId(id) && isSafePath(path)) return { id, revision, path };
  throw new CheckpointError(`${link} is no address of a file on the hub`, {
    hint: "expected https://huggingface.co/OWNER/NAME/blob/REVISION/FILE.safetensors; a file from elsewhere must be downloaded first",
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
