import { BEGINNING, recognise } from "../checkpoint/foreign-file.js";
import { isPickle, pickleError } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import { findSource } from "./find-source.js";
import { openFile } from "./open-file.js";

/**
 * Refuses what is called as pickles are; `hint` says what to take instead. Of a file on this machine that holds something else it says what that is.
 * @throws CheckpointError
 */
export async function refusePickle(source: string, hint: string): Promise<void> {
  if (!isPickle(source)) return;
  const { kind, place } = await findSource(source);
  if (kind === "file" && place === "here") {
    const { folder, path } = await openFile(source, {});
    const other = recognise(await folder.read(path, 0, Math.min(await folder.size(path), BEGINNING)));
    if (other?.isCertain) throw new CheckpointError(`${source} is a pickle by its name, but ${other.what}`, { hint: other.hint });
  }
  throw pickleError(source, hint);
}
