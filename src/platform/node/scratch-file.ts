import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Tensor } from "onnxruntime-node";
import type { PreparedPort } from "../../graph/finished-graph.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import { diskFile } from "./disk-file.js";

/*
 * Weights that are made while a network is loaded lie in a file until the runtime has read it: a second or two, or where a mapped file cannot be removed
 * (Windows) until the network is released.
 */

const PREFIX = "darkroom-weights-";

/** Milliseconds after which such a file can only be what a killed process left. */
const STALE = 60 * 60 * 1000;

/** A new one; it does not exist yet. */
export function scratchFile(): FileRef {
  return diskFile(join(tmpdir(), `${PREFIX}${randomUUID()}`));
}

/**
 * Writes what a preparation gave to its places in the file.
 * @throws Error that says how to have it elsewhere.
 */
export function writeScratch(path: string, outputs: readonly PreparedPort[], made: Readonly<Record<string, Tensor>>): void {
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      for (const { name, offset = 0 } of outputs) writeAt(file, offset, made[name]?.data as Int8Array);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    const reason = `${(cause as Error).message} (TMPDIR, on Windows TEMP, can name another folder)`;
    throw new Error(`its weights as bytes cannot be written to ${path}: ${reason}`, { cause });
  }
}

/** Writes all of `numbers`: the system writes less than it is asked to where the disk is about to be full, and only then says so. */
function writeAt(file: number, offset: number, numbers: NodeJS.TypedArray): void {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, undefined, offset + done);
}

/** Removes a file and says whether it could: Windows keeps one that is mapped. */
export function removeScratch(path: string): boolean {
  try {
    rmSync(path, { force: true });
    return true;
  } catch {
    return false;
  }
}

/** Removes what killed processes left beside `path`. That it cannot stops nothing. */
export function removeStaleScratch(path: string): void {
  const folder = dirname(path);
  try {
    for (const name of readdirSync(folder).filter((name) => name.startsWith(PREFIX))) {
      const found = statSync(join(folder, name), { throwIfNoEntry: false });
      if (found && Date.now() - found.mtimeMs > STALE) removeScratch(join(folder, name));
    }
  } catch {}
}
