import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OutputError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import { errorCode } from "./error-code.js";

/** Files and folders that are being written. They are removed if the process exits in the middle (a second Ctrl-C). */
const unfinished = new Set<string>();

/** Has `path` removed if the process exits before {@link forgetUnfinished}. */
export function trackUnfinished(path: string): void {
  if (unfinished.size === 0) process.once("exit", removeUnfinished);
  unfinished.add(path);
}

/** Ends {@link trackUnfinished}. */
export function forgetUnfinished(path: string): void {
  unfinished.delete(path);
  if (unfinished.size === 0) process.off("exit", removeUnfinished);
}

/**
 * Writes a temporary file in the same folder, then renames it. So readers see the whole file or none.
 * @throws OutputError if it cannot be written, or exists and `overwrite` is false (`cause.code` is `EEXIST`).
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array, { overwrite = true } = {}): Promise<void> {
  const temporary = join(dirname(path), `.darkroom-${crypto.randomUUID()}.tmp`);
  trackUnfinished(temporary);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    // Reserves the name, or fails if the file exists. Both calls are synchronous, so no other code of this process runs between them.
    if (!overwrite) closeSync(openSync(path, "wx"));
    renameSync(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw explainWrite(path, error);
  } finally {
    forgetUnfinished(temporary);
  }
}

/** The error for a failure to write, with its reason in words. */
export function explainWrite(path: string, error: unknown): OutputError {
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
  const [reason, hint] = reasons[errorCode(error) ?? ""] ?? [messageOf(error)];
  return new OutputError(`cannot write ${path}: ${reason}`, { hint, cause: error });
}

function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
}
