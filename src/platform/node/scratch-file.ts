import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { PreparedPort } from "../../graph/finished-graph.js";
import type { NamedData } from "../../runtime/transport.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import { diskFile, locationOf } from "./disk-file.js";

/*
 * Weights that are converted while a network is loaded are in a temporary file until the runtime has read or mapped it: for a second or
 * two. Windows does not remove a mapped file; there it stays until the network is released.
 */

const PREFIX = "darkroom-weights-";

/** Milliseconds after which such a file must be from a killed process. */
const STALE = 60 * 60 * 1000;

/** A new temporary file; it does not exist yet. */
export function scratchFile(): FileRef {
  return diskFile(join(tmpdir(), `${PREFIX}${randomUUID()}`));
}

/**
 * Writes a preparation's results to their places in the file.
 * @throws Error with the path, and how to choose another folder.
 */
export function writeScratch(scratch: FileRef, ports: readonly PreparedPort[], tensors: NamedData): void {
  const path = locationOf(scratch);
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      for (const { name, offset = 0 } of ports) writeAt(file, offset, tensors[name]?.data as Int8Array);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    const reason = `${(cause as Error).message} (TMPDIR, on Windows TEMP, can name another folder)`;
    throw new Error(`its weights as bytes cannot be written to ${path}: ${reason}`, { cause });
  }
}

/** Writes all of `numbers`. One write may be short, when the disk is nearly full; the next one then fails with the reason. */
function writeAt(file: number, offset: number, numbers: NodeJS.TypedArray): void {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, undefined, offset + done);
}

/** Removes a file, and returns whether that was possible: Windows keeps a mapped file. */
export function removeScratch(file: FileRef): boolean {
  return remove(locationOf(file));
}

function remove(path: string): boolean {
  try {
    rmSync(path, { force: true });
    return true;
  } catch {
    return false;
  }
}

/** Removes the files of killed processes in the folder of `file`. Errors are ignored. */
export function removeStaleScratch(file: FileRef): void {
  const folder = dirname(locationOf(file));
  try {
    for (const name of readdirSync(folder).filter((name) => name.startsWith(PREFIX))) {
      const found = statSync(join(folder, name), { throwIfNoEntry: false });
      if (found && Date.now() - found.mtimeMs > STALE) remove(join(folder, name));
    }
  } catch {}
}
