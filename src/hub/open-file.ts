import { openFolder } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import type { SourceOptions } from "../checkpoint/source.js";
import { CheckpointError, HubError } from "../errors.js";
import { expectThere } from "./find-source.js";
import { type HubFile, isLink, revisionOf } from "./hub-file.js";
import { openRepository } from "./open-repository.js";

/** A file: its folder, and its name there. */
export interface FoundFile {
  readonly folder: Folder;
  readonly path: string;
}

/** How a file is opened. */
export interface FileOptions extends SourceOptions {
  /** Names of files in the same folder that are read with the file `name`, if they exist. */
  readonly companions?: (name: string) => readonly string[];
}

/**
 * The file at `source`: a path on this machine, or a file on the hub by its address or as `OWNER/NAME/FILE`, which is downloaded into the standard
 * cache.
 * @throws CheckpointError if there is none; HubError; ArgumentError if address and options name two revisions
 */
export async function openFile(source: string, options: FileOptions): Promise<FoundFile> {
  const found = await expectThere(source);
  if (found.place === "hub" && found.kind === "file") return openHubFile(source, found.file, options);
  const path = /[^\\/]*$/.exec(source)?.[0] ?? source;
  return { folder: openFolder(source.slice(0, -path.length).replace(/(?<=[^:])[\\/]$/, "") || "."), path };
}

async function openHubFile(source: string, file: HubFile, options: FileOptions): Promise<FoundFile> {
  const { id, path } = file;
  const { token, cacheDir, localFilesOnly, onProgress, signal, companions } = options;
  const revision = revisionOf(file, options.revision);
  const slash = path.lastIndexOf("/");
  const beside = companions?.(path.slice(slash + 1)).map((each) => path.slice(0, slash + 1) + each) ?? [];
  const choose = (name: string, paths: readonly string[]) => {
    if (paths.includes(path)) return [path, ...beside.filter((each) => paths.includes(each))];
    throw new CheckpointError(`${name} has no ${path} at revision ${revision ?? "main"}`, {
      hint: "its page on the hub lists what it has",
    });
  };
  try {
    const root = await openRepository(id, { token, cacheDir, localFilesOnly, onProgress, signal, revision, choose });
    return { folder: slash === -1 ? root : root.open(path.slice(0, slash)), path: path.slice(slash + 1) };
  } catch (error) {
    if (isLink(source) || !(error instanceof HubError) || error.problem !== "repository-not-found") throw error;
    // It may be meant as a path.
    const { message, problem, hint } = error;
    throw new HubError(`${source} is no file here, and ${message}`, { problem, hint, cause: error });
  }
}
