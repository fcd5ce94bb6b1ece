import { hubSettings, openFolder, pathKind } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { isPickle } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "./embedded.js";
import { type HubFile, isLink, parseHubFile, parseHubLink } from "./hub-file.js";
import { isRepositoryId } from "./repository-id.js";

/** What a source names, and where it is. On the hub, a folder is a repository; the package has one checkpoint. */
export type FoundSource =
  | { readonly kind: "file" | "folder"; readonly place: "here" | "nowhere" }
  | { readonly kind: "folder"; readonly place: "package" }
  | { readonly kind: "folder"; readonly place: "hub" }
  | { readonly kind: "file"; readonly place: "hub"; readonly file: HubFile };

/**
 * What a source names: a path, the name of the embedded checkpoint, the address of a file on the hub, a hub id (`OWNER/NAME`), or a file of that
 * repository (`OWNER/NAME/FILE.safetensors`).
 * An existing path wins. If a local folder OWNER exists, OWNER/NAME/FILE is treated as a path. A name that does not exist anywhere counts as a file if
 * it ends like one, else as a folder.
 * @throws CheckpointError for a web address that is not one of a file on the hub.
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

/** The folder that a source names on this machine or in the package. */
export function openFound(source: string, place: FoundSource["place"]): Folder {
  return openFolder(place === "package" ? embeddedCheckpointPath() : source, source);
}

/** What a source names. @throws CheckpointError if it does not exist. */
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
    `${source} is ${place === "hub" ? "not a file, but may be a hub id" : "a folder"}; a single file was expected`,
    { hint: (name) => `folders and hub ids are opened with ${name("fromPretrained")}` },
  );
}

function isFileName(source: string): boolean {
  return /\.safetensors$/i.test(source) || isPickle(source);
}
