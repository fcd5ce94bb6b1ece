import { HubError } from "../../errors.js";
import { messageOf } from "../../message-of.js";

/*
 * The origin's private file system: a browser's own folder for each origin. A file there appears when it is closed, so that one that was
 * never closed is lost. Therefore large files are kept as parts, each of which is closed when it is full: what has arrived survives the end
 * of the page, and a `Blob` of the parts is the file, without a copy.
 */

/** Bytes of a part. */
const PART = 2 ** 25;

/** A folder of the origin's private file system; it is created. @throws HubError if the browser offers none. */
export async function privateFolder(path: readonly string[]): Promise<FileSystemDirectoryHandle> {
  let folder = await root();
  for (const name of path) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** A folder of the origin's private file system; undefined if it does not exist, or if the browser offers none. */
export async function findPrivateFolder(path: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    let folder = await root();
    for (const name of path) folder = await folder.getDirectoryHandle(name);
    return folder;
  } catch {
    return undefined;
  }
}

async function root(): Promise<FileSystemDirectoryHandle> {
  try {
    return await navigator.storage.getDirectory();
  } catch (cause) {
    const what = globalThis.isSecureContext ? messageOf(cause) : "the page is not from https or localhost";
    throw new HubError(`the browser offers no place for downloads: ${what}`, {
      problem: "disk",
      hint: "private windows of some browsers offer none; the files of a checkpoint can be given as File objects instead",
      cause,
    });
  }
}

/** What Chromium adds to the name of a file while it is written. */
const UNFINISHED = ".crswap";

/** Names of the folders, or of the files, directly in a folder. */
export async function namesIn(folder: FileSystemDirectoryHandle, kind: "file" | "directory"): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const [name, handle] of folder.entries()) if (handle.kind === kind && !name.endsWith(UNFINISHED)) names.push(name);
  return names;
}

/** How often a file is read again that another tab replaces at the same moment. */
const READS = 20;

/** The text of a file; undefined if it does not exist. */
export async function readText(folder: FileSystemDirectoryHandle, name: string): Promise<string | undefined> {
  for (let reads = 1; ; reads++) {
    const file = await folder.getFileHandle(name).catch(() => undefined);
    if (!file) return undefined;
    try {
      return await (await file.getFile()).text();
    } catch (error) {
      // A file that is replaced between getFile and text cannot be read; the new one can.
      if (reads === READS) throw error;
    }
  }
}

/** Writes a file whole or not at all. */
export async function writeText(folder: FileSystemDirectoryHandle, name: string, text: string): Promise<void> {
  const file = await (await folder.getFileHandle(name, { create: true })).createWritable();
  await file.write(text);
  await file.close();
}

/** The parts of a file that are there, from its beginning on, as one blob; undefined if there are none. */
export async function openParts(folder: FileSystemDirectoryHandle, name: string): Promise<Blob | undefined> {
  const parts = await partsOf(folder, name);
  return parts && new Blob(parts);
}

async function partsOf(folder: FileSystemDirectoryHandle, name: string): Promise<File[] | undefined> {
  const own = await folder.getDirectoryHandle(name).catch(() => undefined);
  if (!own) return undefined;
  const parts: File[] = [];
  for (;;) {
    const part = await own.getFileHandle(String(parts.length)).catch(() => undefined);
    if (!part) return parts;
    parts.push(await part.getFile());
  }
}

/**
 * Appends bytes to a file in parts, until they end. What arrived before an error is kept. `onBytes` is called when bytes are taken.
 */
export async function appendParts(
  folder: FileSystemDirectoryHandle,
  name: string,
  read: (offset: number) => AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): Promise<void> {
  const own = await folder.getDirectoryHandle(name, { create: true });
  const parts = (await partsOf(folder, name)) ?? [];
  let number = parts.length;
  let file: FileSystemWritableFileStream | undefined;
  let room = 0;
  const start = async () => {
    file = await (await own.getFileHandle(String(number++), { create: true })).createWritable();
    room = PART;
  };
  const finish = async () => {
    await file?.close();
    file = undefined;
  };
  try {
    for await (const bytes of read(parts.reduce((sum, { size }) => sum + size, 0))) {
      for (let done = 0; done < bytes.length; ) {
        if (!file) await start();
        const piece = bytes.slice(done, done + room);
        await file?.write(piece);
        done += piece.length;
        room -= piece.length;
        if (room === 0) await finish();
      }
      onBytes(bytes.length);
    }
  } catch (error) {
    // A file that is full of what fitted is closed as well as can be; a failed write leaves it without its last bytes.
    await finish().catch(() => undefined);
    throw error;
  }
  await finish();
}

/** Removes a file or folder with all in it, if it is there. */
export async function removeEntry(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  await folder.removeEntry(name, { recursive: true }).catch((error: unknown) => {
    if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
  });
}
