import { hubSettings, openFolder, openFolderOf, pathKind } from "#platform";
import { isPickle } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { mistypedName } from "../nearest.js";
import type { Folder } from "../platform/folder.js";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "./embedded.js";
import { folderOfFile } from "./given-files.js";
import { type HubFile, isLink, parseHubFile, parseHubLink } from "./hub-file.js";
import { isRepositoryId } from "./repository-id.js";

/**
 * A source after parsing: what it is, where it is, and how to open it. On the hub, a folder is a repository. `name` is the source as
 * messages name it.
 */
export type FoundSource = ExistingSource | MissingSource;

/** A source that exists on this machine, or can exist on the hub. */
export type ExistingSource = LocalFolder | HubRepository | LocalFile | RepositoryFile;

/** A folder on this machine or in the package, or a `Folder` that the caller gave. */
export interface LocalFolder {
  readonly kind: "folder";
  readonly place: "here" | "package" | "given";
  readonly name: string;
  readonly folder: Folder;
}

/** A repository on the hub. */
export interface HubRepository {
  readonly kind: "folder";
  readonly place: "hub";
  readonly name: string;
  readonly id: string;
}

/** A file on this machine: its folder, and its name there. */
export interface LocalFile {
  readonly kind: "file";
  readonly place: "here";
  readonly name: string;
  readonly folder: Folder;
  readonly path: string;
}

/** A file of a repository on the hub. */
export interface RepositoryFile {
  readonly kind: "file";
  readonly place: "hub";
  readonly name: string;
  readonly file: HubFile;
}

/** A path that does not exist. */
interface Missing<Kind extends "folder" | "file"> {
  readonly kind: Kind;
  readonly place: "nowhere";
  readonly name: string;
}

/** A path that does not exist. Its kind is a guess by its ending. */
export type MissingSource = Missing<"folder"> | Missing<"file">;

/** A source that names a file. The file may be missing. */
export type FileSource = Extract<FoundSource, { readonly kind: "file" }>;

/**
 * Parses a source: a `Folder`, a `File`, a path, the name of the embedded checkpoint, the address of a file on the hub, a hub id
 * (`OWNER/NAME`), or a file of a repository (`OWNER/NAME/FILE.safetensors`). An existing path wins. If a local folder OWNER exists,
 * OWNER/NAME/FILE is treated as a path. A source that does not exist counts as a file if its name ends like one, else as a folder. A source
 * that is parsed already is returned as it is.
 * @throws CheckpointError for a web address that is not the address of a file on the hub.
 */
export async function findSource(source: string | Folder | File | FoundSource): Promise<FoundSource> {
  if (isFound(source)) return source;
  if (source instanceof File) return { kind: "file", place: "here", name: source.name, folder: folderOfFile(source), path: source.name };
  if (typeof source !== "string") return { kind: "folder", place: "given", name: source.name, folder: source };
  const name = source;
  const kind = await pathKind(name);
  if (kind === "file") return { kind, place: "here", name, ...openFolderOf(name) };
  if (kind === "folder") return { kind, place: "here", name, folder: openFolder(name) };
  if (name === EMBEDDED_CHECKPOINT) return { kind: "folder", place: "package", name, folder: openFolder(embeddedCheckpointPath(), name) };
  if (isLink(name)) return { kind: "file", place: "hub", name, file: parseHubLink(name, (await hubSettings()).endpoint) };
  if (isRepositoryId(name)) return { kind: "folder", place: "hub", name, id: name };
  if (!isFileName(name)) return { kind: "folder", place: "nowhere", name };
  const file = parseHubFile(name);
  const isPath = file === undefined || (await pathKind(file.id.replace(/\/.*/, ""))) !== undefined;
  return isPath ? { kind: "file", place: "nowhere", name } : { kind: "file", place: "hub", name, file };
}

/** Whether a source is parsed already. */
export function isFound(source: unknown): source is FoundSource {
  // A Folder of a program may have any other members.
  return typeof source === "object" && source !== null && "kind" in source && "place" in source;
}

/** The same source. @throws CheckpointError if it does not exist. */
export async function expectThere<Found extends FoundSource>(found: Found): Promise<Exclude<Found, MissingSource>> {
  if (found.place !== "nowhere") return found as Exclude<Found, MissingSource>;
  const { kind, name } = found;
  if (kind === "folder") {
    expectUnlikeEmbedded(name);
    await openFolder(name).check();
  }
  throw new CheckpointError(`${name} does not exist`, {
    hint: "check the path; a file on the hub is named by OWNER/NAME/FILE, or by its address",
  });
}

/** @throws CheckpointError for a name that is nearly that of the embedded checkpoint, such as that of an earlier version of the package. */
function expectUnlikeEmbedded(name: string): void {
  const withoutNumber = (text: string) => text.replace(/[-_ ]?\d+$/, "");
  if (mistypedName(withoutNumber(name), [withoutNumber(EMBEDDED_CHECKPOINT)]) === undefined) return;
  throw new CheckpointError(`${name} does not exist; did you mean ${EMBEDDED_CHECKPOINT}?`, {
    hint: `${EMBEDDED_CHECKPOINT} is the checkpoint in the package; anything else is a path, or a hub id: owner/name`,
  });
}

/** Parses a source that must be or name a file. @throws CheckpointError if it does not. */
export async function expectFile(source: string | File): Promise<FileSource> {
  if (!(source instanceof File) && (typeof source !== "string" || source === ""))
    throw wrongArgument("path", source, "the path of a .safetensors file, or its address on the hub");
  const found = await findSource(source);
  if (found.kind === "file") return found;
  const { place } = await expectThere(found);
  throw new CheckpointError(
    `${found.name} is ${place === "hub" ? "not a file, but may be a hub id" : "a folder"}; a single file was expected`,
    { hint: (name) => `folders and hub ids are opened with ${name("fromPretrained")}` },
  );
}

/** Whether the name is that of a single file of weights. */
export function isFileName(source: string): boolean {
  return /\.(safetensors|gguf)$/i.test(source) || isPickle(source);
}
