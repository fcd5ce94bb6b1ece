import { existsSync } from "node:fs";
import { mkdir, open, readdir, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DarkroomError, OutputError } from "../../errors.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { FileContent, OutputFolder, WriteFolderOptions } from "../output-folder.js";
import { locationOf } from "./disk-file.js";
import { errorCode } from "./error-code.js";
import { explainWrite, forgetUnfinished, trackUnfinished } from "./write-file.js";

/** Parts of a save that the subfolders' views share. */
interface Save {
  readonly temporary: string;
  readonly target: string;
  readonly options: WriteFolderOptions;
  readonly written: Set<string>;
  readonly removed: Set<string>;
  readonly needed: Set<string>;
}

/**
 * Writes a folder whole or not at all. The files are written into a temporary folder beside it, which then gets its name. If the folder has
 * files already, the new files are moved into it, the ones at its top last.
 * @throws OutputError if it cannot be written, or has files and `overwrite` is false; the signal's reason
 */
export async function writeFolder(
  path: string,
  fill: (folder: OutputFolder) => Promise<void>,
  options: WriteFolderOptions = {},
): Promise<void> {
  const target = resolve(path);
  await expectWritable(path, target, options);
  const temporary = join(dirname(target), `.darkroom-${crypto.randomUUID()}.tmp`);
  trackUnfinished(temporary);
  try {
    await mkdir(temporary, { recursive: true });
    const save: Save = { temporary, target, options, written: new Set(), removed: new Set(), needed: new Set() };
    await fill(new NodeOutputFolder(path, "", save));
    options.signal?.throwIfAborted();
    await commit(path, save);
  } catch (error) {
    if (error instanceof DarkroomError || options.signal?.aborted || errorCode(error) === undefined) throw error;
    throw explainWrite(path, error);
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    forgetUnfinished(temporary);
  }
}

class NodeOutputFolder implements OutputFolder {
  constructor(
    readonly name: string,
    private readonly subfolder: string,
    private readonly save: Save,
  ) {}

  async write(path: string, content: FileContent): Promise<void> {
    const { temporary, written, options } = this.save;
    const relative = join(this.subfolder, path);
    const place = join(temporary, relative);
    try {
      await mkdir(dirname(place), { recursive: true });
      const file = await open(place, "wx");
      try {
        for await (const bytes of content instanceof Uint8Array ? [content] : content) {
          options.signal?.throwIfAborted();
          await writeAll(file, bytes);
          options.onBytes?.(relative, bytes.length);
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      throw errorCode(error) === undefined || error instanceof DarkroomError ? error : explainWrite(`${this.name}/${path}`, error);
    }
    written.add(relative);
  }

  async earlier(): Promise<readonly string[]> {
    return readdir(join(this.save.target, this.subfolder)).catch(() => []);
  }

  remove(path: string): void {
    this.save.removed.add(join(this.subfolder, path));
  }

  needs(file: FileRef): void {
    this.save.needed.add(locationOf(file));
  }

  open(subfolder: string): OutputFolder {
    return new NodeOutputFolder(`${this.name}/${subfolder}`, join(this.subfolder, subfolder), this.save);
  }
}

/** One write may be short, when the disk is nearly full; the next one then fails with the reason. */
async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
}

async function expectWritable(path: string, target: string, { overwrite = true }: WriteFolderOptions): Promise<void> {
  if (path === "") throw new OutputError("the path of the folder to write is empty", { hint: "name a folder" });
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isDirectory())
    throw new OutputError(`cannot write ${path}: it is a file; a folder was expected`, { hint: "choose another name" });
  if (overwrite) return;
  const names = await readdir(target).catch((error: unknown) => {
    throw explainWrite(path, error);
  });
  if (names.length === 0) return;
  throw new OutputError(`cannot write ${path}: the folder is not empty`, { hint: "choose another name, or empty the folder first" });
}

async function commit(path: string, save: Save): Promise<void> {
  const { temporary, target, written } = save;
  const removed = [...save.removed].filter((each) => !written.has(each));
  await expectNotNeeded(path, save, [...written, ...removed]);
  if (!existsSync(target) || (await readdir(target)).length === 0) {
    // A folder does not replace another one on Windows.
    await rmdir(target).catch((error: unknown) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
    await rename(temporary, target);
    return;
  }
  const depth = (each: string) => (dirname(each) === "." ? 1 : 0);
  for (const each of [...written].sort((a, b) => depth(a) - depth(b))) {
    await mkdir(dirname(join(target, each)), { recursive: true });
    await rename(join(temporary, each), join(target, each));
  }
  for (const each of removed) await rm(join(target, each), { force: true });
}

/** @throws OutputError if one of the files that are replaced or removed is still needed. */
async function expectNotNeeded(path: string, { target, needed }: Save, changed: readonly string[]): Promise<void> {
  for (const each of changed) {
    const real = await realpath(join(target, each)).catch(() => undefined);
    if (real === undefined || !needed.has(real)) continue;
    throw new OutputError(`cannot write ${path}: the saved networks read their weights from ${basename(each)} in this folder`, {
      hint: "save to another folder, and move that one here when the pipeline is disposed",
    });
  }
}
