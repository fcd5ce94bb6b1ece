import { pathKind } from "#platform";
import { isPickle } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import { isLink } from "./hub-link.js";
import { isRepositoryId } from "./repository-id.js";

/**
 * What a source names: a file on this machine or on the hub, an id of the hub, or a folder. What exists goes before what a name looks like; a name of
 * nothing that exists counts as a file's by its ending, and else as a folder's.
 */
export async function sourceKind(source: string): Promise<"file" | "id" | "folder"> {
  const found = await pathKind(source);
  if (found) return found;
  if (isLink(source) || /\.safetensors$/i.test(source) || isPickle(source)) return "file";
  return isRepositoryId(source) ? "id" : "folder";
}

/** @throws CheckpointError unless `source` names a file. */
export async function expectFile(source: string): Promise<void> {
  const kind = await sourceKind(source);
  if (kind === "file") return;
  if (kind === "folder" && (await pathKind(source)) === undefined)
    throw new CheckpointError(`${source} does not exist`, { hint: "check the path" });
  throw new CheckpointError(
    `${source} is ${kind === "id" ? "no file, but may be an id of the hub" : "a folder"}; a single file was expected`,
    {
      hint: "folders and hub ids are opened with fromPretrained",
    },
  );
}
