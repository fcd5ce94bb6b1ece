import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OutputError } from "../../errors.js";
import { messageOf } from "../../message-of.js";

/** Files being written; an exit in the middle (a second Ctrl-C) must not leave them behind. */
const unfinished = new Set<string>();

/**
 * Writes the file under another name beside it, then renames, so that readers see the whole file or none.
 * @throws OutputError if it cannot be written, or exists and `overwrite` is false (`cause.code` is `EEXIST`).
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array, { overwrite = true } = {}): Promise<void> {
  const temporary = join(dirname(path), `.darkroom-${crypto.randomUUID()}.tmp`);
  if (unfinished.size === 0) process.once("exit", removeUnfinished);
  unfinished.add(temporary);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    // Takes the name, or fails if another has it. Nothing of ours can come between these two calls.
    if (!overwrite) closeSync(openSync(path, "wx"));
    renameSync(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw explainWrite(path, error);
  } finally {
    unfinished.delete(temporary);
    if (unfinished.size === 0) process.off("exit", removeUnfinished);
  }
}

/** What a failure to write means, in words. */
export function explainWrite(path: string, error: unknown): OutputError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reasons: Partial<Record<string, [reason: string, hint?: string]>> = {
    EACCES: ["this user may not write there", "choose another folder, or change the permissions of this one"],
    EPERM: ["this user may not write there", "choose another folder, or change the permissions of this one"],
    EROFS: ["the file system is read-only", "choose another folder"],
    ENOENT: ["its folder does not exist", "create the folder first"],
    ENOTDIR: ["a part of its path is a file, not a folder", "choose another folder"],
    EISDIR: ["a folder has that name", "choose another name"],
    EEXIST: ["a file of that name exists", "choose another name, or allow overwriting"],
    ENOSPC: ["the disk is full", "free some space or choose another folder"],
    ENAMETOOLONG: ["the name is too long", "choose a shorter name"],
  };
  const [reason, hint] = reasons[code] ?? [messageOf(error)];
  return new OutputError(`cannot write ${path}: ${reason}`, { hint, cause: error });
}

function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { force: true });
}
