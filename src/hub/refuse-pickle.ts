import { BEGINNING, recognise } from "../checkpoint/foreign-file.js";
import { isPickle, pickleError } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import { findSource } from "./find-source.js";
import { openFile } from "./open-file.js";

/**
 * Refuses a file with a pickle's name; `hint` says what to use instead. If the file is on this machine and is not a pickle, the error says what it is.
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
