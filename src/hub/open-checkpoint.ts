import { openFolder, pathExists } from "#platform";
import type { Folder } from "../checkpoint/folder.js";
import type { WantedFiles } from "./choose-files.js";
import type { DownloadProgress } from "./download-meter.js";
import { openRepository } from "./open-repository.js";
import { isRepositoryId } from "./repository-id.js";

/** Where a checkpoint may be taken from, and how. All but `variant` is about checkpoints of the hub, and of no effect for folders. */
export interface SourceOptions {
  /** Which weight files, e.g. "fp16"; the full ones are taken, with a warning, where the variant is missing. */
  readonly variant?: string;
  /** Branch, tag or commit; "main" where none is named. */
  readonly revision?: string;
  /** In place of HF_TOKEN and of what `hf auth login` left. It is sent to the hub alone, never to where the hub redirects. */
  readonly token?: string;
  /** In place of HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. */
  readonly cacheDir?: string;
  /** Uses what is in the cache and never the network, as HF_HUB_OFFLINE=1 does. */
  readonly localFilesOnly?: boolean;
  /** Told of a download several times a second, and when a file is whole; not called when nothing is downloaded. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops a download, which can be resumed later. */
  readonly signal?: AbortSignal;
}

/**
 * The files of a checkpoint, whatever it is named by: a folder on disk, or a hub id (`owner/name`), which is
 * downloaded into the standard Hugging Face cache as far as it is not there. A path that exists wins over an id.
 * @throws CheckpointError, HubError; the signal's reason once it aborts.
 */
export async function openCheckpoint(source: string | Folder, options: SourceOptions & WantedFiles = {}): Promise<Folder> {
  if (typeof source !== "string") return source;
  if (isRepositoryId(source) && !(await pathExists(source))) return openRepository(source, options);
  return openFolder(source);
}
