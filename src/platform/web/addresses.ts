import { CheckpointError } from "../../errors.js";
import type { Folder } from "../folder.js";
import { PACKAGED, packagedFolder } from "./package-files.js";
import { urlFolder } from "./url-folder.js";

/** Endings of files that hold weights. A server does not say whether an address is a folder. */
const WEIGHT_FILE = /\.(safetensors|ckpt|pt|pth|bin)$/i;

/** Pages of a hub, whose files are named by `blob` or `resolve`. They are not read as a folder. */
const HUB_PAGE = /^(https?:\/\/)?(huggingface\.co|hf\.co)\/|\/(blob|resolve)\/[^/]+\/[^?#]+\.\w+([?#]|$)/i;

/**
 * The folder at an address: a URL, or a path from the page's own address that begins with `/`, `./` or `../`. Nothing is read yet. @throws
 * CheckpointError if the address is empty or not one.
 */
export function openFolder(path: string, name = path): Folder {
  if (path === "")
    throw new CheckpointError("the address of the checkpoint is empty", { hint: "give the address of the folder with its files" });
  return packagedFolder(path, name) ?? urlFolder(resolved(path), name);
}

/** The folder that holds the file at an address, and the file's name in it. Nothing is read yet. */
export function openFolderOf(path: string): { readonly folder: Folder; readonly path: string } {
  const url = new URL(resolved(path));
  const end = url.pathname.lastIndexOf("/");
  const folder = path.slice(0, Math.max(path.lastIndexOf("/"), 0)) || ".";
  return { folder: urlFolder(url.origin + url.pathname.slice(0, end), folder), path: decodeURIComponent(url.pathname.slice(end + 1)) };
}

/**
 * Whether an address is that of a file or a folder, by its ending; undefined for anything that does not begin like an address, such as a
 * hub id, and for addresses of files on a hub.
 */
export async function pathKind(path: string): Promise<"file" | "folder" | undefined> {
  if (path.startsWith(PACKAGED)) return "folder";
  if (!/^(https?:\/\/|\.{0,2}\/)/i.test(path) || HUB_PAGE.test(path)) return undefined;
  return WEIGHT_FILE.test(new URL(resolved(path)).pathname) ? "file" : "folder";
}

function resolved(path: string): string {
  const base = globalThis.location?.href;
  if (URL.canParse(path, base)) return new URL(path, base).href;
  throw new CheckpointError(`${path} is not an address`, { hint: "give a URL, or a path that begins with /, ./ or ../" });
}
