import { hubSettings, openFolder, pathKind } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import { CheckpointError } from "../errors.js";
import { isLink, parseHubLink } from "./hub-link.js";
import type { SourceOptions } from "./open-checkpoint.js";
import { openRepository } from "./open-repository.js";

/** A file, by the folder it lies in and its path there. */
export interface FoundFile {
  readonly folder: Folder;
  readonly path: string;
}

/**
 * The file at `source`: a path on this machine, or the address of a file on the hub, which is downloaded into the standard cache.
 * @throws CheckpointError if there is none; HubError
 */
export async function openFile(source: string, options: SourceOptions): Promise<FoundFile> {
  if ((await pathKind(source)) === undefined) {
    if (isLink(source)) return openLinked(source, options);
    throw new CheckpointError(`${source} does not exist`, { hint: "check the path" });
  }
  const path = /[^\\/]*$/.exec(source)?.[0] ?? source;
  return { folder: openFolder(source.slice(0, -path.length).replace(/(?<=[^:])[\\/]$/, "") || "."), path };
}

async function openLinked(link: string, options: SourceOptions): Promise<FoundFile> {
  const { id, revision, path } = parseHubLink(link, (await hubSettings(options)).endpoint);
  const { token, cacheDir, localFilesOnly, onProgress, signal } = options;
  const choose = (name: string, paths: readonly string[]) => {
    if (paths.includes(path)) return [path];
    throw new CheckpointError(`${name} has no ${path} at revision ${revision}`, {
      hint: "check the address: copy it from the file's page",
    });
  };
  return { folder: await openRepository(id, { token, cacheDir, localFilesOnly, onProgress, signal, revision, choose }), path };
}
