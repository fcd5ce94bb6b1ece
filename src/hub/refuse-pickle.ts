import { BEGINNING, recognise } from "../checkpoint/foreign-file.js";
import { isPickle, pickleError } from "../checkpoint/pickles.js";
import { CheckpointError } from "../errors.js";
import type { FoundSource } from "./find-source.js";

/**
 * Refuses a file with a pickle's name; `hint` says what to use instead. If the file is on this machine and is not a pickle, the error says
 * what it is.
 * @throws CheckpointError
 */
export async function refusePickle(source: FoundSource, hint: string): Promise<void> {
  const { kind, place, name } = source;
  if (!isPickle(name)) return;
  if (kind === "file" && place === "here") {
    const { folder, path } = source;
    const other = recognise(await folder.read(path, 0, Math.min(await folder.size(path), BEGINNING)));
    if (other?.isCertain) throw new CheckpointError(`${name} is a pickle by its name, but ${other.what}`, { hint: other.hint });
  }
  throw pickleError(name, hint);
}
