import { existsSync } from "node:fs";
import { lstat, mkdir, open, readdir, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DarkroomError, OutputError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
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
  /** Whether the temporary folder has the only copies of earlier files, because replacing them failed in the middle. */
  isStuck: boolean;
}

/**
 * Writes a folder whole or not at all. The files are written into a temporary folder beside it, which then gets its name. If the folder has
 * files already, the new files take the places of those of the same names. If that fails, the earlier files return. If the process is
 * killed meanwhile, the folder lacks `model_index.json` or `config.json`, so that it does not open; the temporary folder has all files.
 * @throws OutputError if it cannot be written, or has files and `overwrite` is false; the signal's reason
 */
export async function writeFolder(
  path: string,
  fill: (folder: OutputFolder) => Promise<void>,
  options: WriteFolderOptions = {},
): Promise<void> {
  const target = resolve(path);
  await expectWritable(path, options);
  const temporary = join(dirname(target), `.darkroom-${crypto.randomUUID()}.tmp`);
  const save: Save = { temporary, target, options, written: new Set(), removed: new Set(), needed: new Set(), isStuck: false };
  trackUnfinished(temporary);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(new NodeOutputFolder(path, "", save));
    options.signal?.throwIfAborted();
    await commit(path, save);
  } catch (error) {
    if (error instanceof DarkroomError || options.signal?.aborted || errorCode(error) === undefined) throw error;
    throw explainWrite(path, error);
  } finally {
    if (!save.isStuck) await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
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

/**
 * Checks that a folder can be written. @throws OutputError if it is a file, or has files and `overwrite` is false
 */
export async function expectWritable(path: string, { overwrite = true }: WriteFolderOptions = {}): Promise<void> {
  if (path === "") throw new OutputError("the path of the folder to write is empty", { hint: "name a folder" });
  const target = resolve(path);
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
  // From here on the temporary folder has the only copies of the earlier files.
  forgetUnfinished(temporary);
  const earlier = join(temporary, EARLIER);
  const undo: (() => Promise<void>)[] = [];
  const move = async (from: string, to: string) => {
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
    undo.unshift(() => rename(to, from));
  };
  const firstFiles = [...written].sort((a, b) => openingOrder(a) - openingOrder(b));
  try {
    for (const each of [...firstFiles, ...removed]) {
      const found = await lstat(join(target, each)).catch(() => undefined);
      if (found?.isDirectory()) throw Object.assign(new Error(each), { code: "EISDIR" });
      if (found) await move(join(target, each), join(earlier, each));
    }
    for (const each of firstFiles.reverse()) await move(join(temporary, each), join(target, each));
  } catch (error) {
    await undone(path, undo, save, error);
    throw error;
  }
}

/** Moves the files back. @throws OutputError that says where the earlier files are, if that fails, too. */
async function undone(path: string, undo: readonly (() => Promise<void>)[], save: Save, cause: unknown): Promise<void> {
  try {
    for (const back of undo) await back();
  } catch {
    save.isStuck = true;
    throw new OutputError(`${path} was left without some of its files, because writing it failed: ${messageOf(cause)}`, {
      hint: `the earlier files are in ${join(save.temporary, EARLIER)}, the new ones beside it: move either into ${path}`,
      cause,
    });
  }
}

/** The folder of the files that are replaced, until all new ones are in place. No saved file has this name. */
const EARLIER = ".earlier";

/**
 * The files by which a folder is opened come first: those of the checkpoint's own folder, and the configs before the weights. They are
 * moved away first and put in place last, so that a process that is killed in between leaves no folder that opens with files of two saves.
 */
function openingOrder(path: string): number {
  return (dirname(path) === "." ? 0 : 2) + (path.endsWith(".json") ? 0 : 1);
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
