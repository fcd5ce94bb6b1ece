import { openFolder } from "#platform";
import type { Folder } from "../checkpoint/folder.js";

/** Where a checkpoint may be taken from, and how. */
export interface SourceOptions {
  /** Which weight files, e.g. "fp16"; the full ones are taken, with a warning, where the variant is missing. */
  readonly variant?: string;
}

/** Which files of a hub repository are wanted; everything a pipeline reads where nothing is said. */
export interface WantedFiles {
  /** Parts of the pipeline that the caller brings, by their subfolders' names. */
  readonly without?: readonly string[];
  /** One part alone: its subfolder, or "" for a repository that is one part. */
  readonly only?: string;
}

/**
 * The files of a checkpoint, whatever it is named by: a folder on disk, a single `.safetensors` file, or a hub id.
 * @throws CheckpointError
 */
export async function openCheckpoint(source: string | Folder, _options: SourceOptions & WantedFiles = {}): Promise<Folder> {
  return typeof source === "string" ? openFolder(source) : source;
}
