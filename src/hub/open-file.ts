import type { SourceOptions } from "../checkpoint/source.js";
import { CheckpointError, HubError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { followed } from "./download-meter.js";
import { expectThere, type FileSource, type RepositoryFile } from "./find-source.js";
import { revisionOf } from "./hub-file.js";
import { openRepository } from "./open-repository.js";

/** A file: its folder, and its name there. */
export interface FoundFile {
  /** The folder that it is in. */
  readonly folder: Folder;
  /** Its path in the folder. */
  readonly path: string;
}

/** How a file is opened. */
export interface FileOptions extends SourceOptions {
  /** Names of files in the same folder that are read with the file `name`, if they exist. */
  readonly companions?: (name: string) => readonly string[];
}

/**
 * Opens a file on this machine or on the hub. A file on the hub is downloaded into the standard cache.
 * @throws CheckpointError if it does not exist; HubError; ArgumentError if its address and the options name different revisions
 */
export async function openFile(source: FileSource, options: FileOptions): Promise<FoundFile> {
  const found = await expectThere(source);
  return found.place === "hub" ? openHubFile(found, options) : { folder: followed(found.folder, options), path: found.path };
}

async function openHubFile({ name: source, file }: RepositoryFile, options: FileOptions): Promise<FoundFile> {
  const { id, path } = file;
  const { companions, ...from } = options;
  const revision = revisionOf(file, options.revision);
  const slash = path.lastIndexOf("/");
  const beside = companions?.(path.slice(slash + 1)).map((each) => path.slice(0, slash + 1) + each) ?? [];
  const choose = (name: string, paths: readonly string[]) => {
    if (paths.includes(path)) return [path, ...beside.filter((each) => paths.includes(each))];
    throw new CheckpointError(`${name} has no ${path} at revision ${revision ?? "main"}`, {
      hint: "its page on the hub lists its files",
    });
  };
  try {
    const root = await openRepository(id, { kind: "names", choose }, { ...from, revision });
    return { folder: slash === -1 ? root : root.open(path.slice(0, slash)), path: path.slice(slash + 1) };
  } catch (error) {
    // A short name can also be meant as a path; an address cannot.
    if (file.revision !== undefined || !(error instanceof HubError) || error.problem !== "repository-not-found") throw error;
    const { message, problem, hint } = error;
    throw new HubError(`${source} is not a local file, and ${message}`, { problem, hint, cause: error });
  }
}
