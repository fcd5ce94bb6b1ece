import { hubSettings, openFolder, pathKind } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { isPickle } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { hasMethods } from "../options/fields.js";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "./embedded.js";
import { type HubFile, isLink, parseHubFile, parseHubLink } from "./hub-file.js";
import { isRepositoryId } from "./repository-id.js";

/** What a source names, and where that is: on the hub a folder is a repository; in the package there is one checkpoint. */
export type FoundSource =
  | { readonly kind: "file" | "folder"; readonly place: "here" | "nowhere" }
  | { readonly kind: "folder"; readonly place: "package" }
  | { readonly kind: "folder"; readonly place: "hub" }
  | { readonly kind: "file"; readonly place: "hub"; readonly file: HubFile };

/**
 * What a source names: a path, the name of the embedded checkpoint, the address of a file on the hub, an id of the hub (`OWNER/NAME`), or a file of
 * that (`OWNER/NAME/FILE.safetensors`).
 * What exists goes before what a name looks like, and where a folder OWNER does, a path to a file was meant. A name of nothing counts as a file's by its
 * ending, else as a folder's.
 * @throws CheckpointError for an address of the web that is not that of a file on the hub.
 */
export async function findSource(source: string): Promise<FoundSource> {
  const kind = await pathKind(source);
  if (kind) return { kind, place: "here" };
  if (source === EMBEDDED_CHECKPOINT) return { kind: "folder", place: "package" };
  if (isLink(source)) return { kind: "file", place: "hub", file: parseHubLink(source, (await hubSettings()).endpoint) };
  if (isRepositoryId(source)) return { kind: "folder", place: "hub" };
  if (!isFileName(source)) return { kind: "folder", place: "nowhere" };
  const file = parseHubFile(source);
  const isPath = file === undefined || (await pathKind(file.id.replace(/\/.*/, ""))) !== undefined;
  return isPath ? { kind: "file", place: "nowhere" } : { kind: "file", place: "hub", file };
}

/** The folder that a source names which is not on the hub. */
export function openFound(source: string, place: FoundSource["place"]): Folder {
  return openFolder(place === "package" ? embeddedCheckpointPath() : source, source);
}

/** Whether a value can name a checkpoint or a file of one. */
export function isSource(value: unknown): value is string | Folder {
  if (typeof value === "string") return value !== "";
  return hasMethods(value, "list", "read");
}

/** @throws ArgumentError unless the value can name a checkpoint or a file of one. */
export function expectSource(value: unknown, argument = "path"): asserts value is string | Folder {
  if (!isSource(value)) throw wrongArgument(argument, value, "the path of a folder or file, or a hub id (owner/name)");
}

/** What a source names, if it is anywhere. @throws CheckpointError if not. */
export async function expectThere(source: string): Promise<FoundSource> {
  const found = await findSource(source);
  if (found.place !== "nowhere") return found;
  if (found.kind === "folder") await openFolder(source).check();
  throw new CheckpointError(`${source} does not exist`, {
    hint: "check the path; a file on the hub is named by OWNER/NAME/FILE, or by its address",
  });
}

/** @throws CheckpointError unless `source` names a file. */
export async function expectFile(source: string): Promise<void> {
  if (typeof source !== "string" || source === "")
    throw wrongArgument("path", source, "the path of a .safetensors file, or its address on the hub");
  if ((await findSource(source)).kind === "file") return;
  const { place } = await expectThere(source);
  throw new CheckpointError(
    `${source} is ${place === "hub" ? "no file, but may be an id of the hub" : "a folder"}; a single file was expected`,
    { hint: (name) => `folders and hub ids are opened with ${name("fromPretrained")}` },
  );
}

function isFileName(source: string): boolean {
  return /\.safetensors$/i.test(source) || isPickle(source);
}
