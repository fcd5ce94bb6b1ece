import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";

// Wheels are the packages of PyPI: zip files. Shared libraries in them need no Python.

/** Which files of which package. */
export interface WantedFiles {
  /** The package's name on PyPI. */
  readonly name: string;
  /** The version, or how it begins: "13." is the newest of 13. */
  readonly version: string;
  /** Which files are taken, by their names without folders. */
  readonly takes: (file: string) => boolean;
}

/** Where wheels come from, and what is done with them. */
export interface WheelOptions {
  /** The address of a package index, such as `https://pypi.org/simple`. */
  readonly index: string;
  /** The folder that the files are written to. */
  readonly folder: string;
  /** Called before a wheel is downloaded. */
  readonly onDownload?: ((file: string, bytes: number | undefined) => void) | undefined;
}

/** A file of the index, as PEP 691 has it. */
interface IndexFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256?: string };
  readonly size?: number;
  readonly yanked?: boolean | string;
}

/**
 * Downloads a package for Linux on x64, and writes the files that are wanted into a folder. Returns their names.
 * @throws Error with the reason if the index has no such package or cannot be reached, or the download is broken
 */
export async function fetchFromWheel(wanted: WantedFiles, { index, folder, onDownload }: WheelOptions): Promise<readonly string[]> {
  const wheel = await findWheel(wanted, index);
  onDownload?.(wheel.filename, wheel.size);
  const archive = join(folder, `.${crypto.randomUUID()}.whl`);
  try {
    await download(wheel, archive);
    return await extract(archive, wanted.takes, folder);
  } finally {
    await rm(archive, { force: true });
  }
}

async function findWheel({ name, version }: WantedFiles, index: string): Promise<IndexFile> {
  const address = `${index.replace(/\/+$/, "")}/${name}/`;
  const response = await fetchOk(address, { accept: "application/vnd.pypi.simple.v1+json" });
  const { files } = (await response.json().catch(() => ({}))) as { readonly files?: readonly IndexFile[] };
  if (!Array.isArray(files)) throw new Error(`${address} does not answer with JSON (PEP 691)`);
  const versionOf = ({ filename }: IndexFile) => filename.split("-")[1] ?? "";
  const found = files
    .filter((file) => /manylinux[^-]*_x86_64\.whl$/.test(file.filename) && !file.yanked)
    .filter((file) => (version.endsWith(".") ? versionOf(file).startsWith(version) : versionOf(file) === version))
    .sort((a, b) => compareVersions(versionOf(b), versionOf(a)))[0];
  if (!found) throw new Error(`${address} has no ${name} ${version.endsWith(".") ? `${version}*` : version} for Linux on x64`);
  return { ...found, url: new URL(found.url, address).href };
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number)) as [number[], number[]];
  const at = left.findIndex((part, i) => part !== right[i]);
  return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? 0);
}

async function download({ filename, url, hashes }: IndexFile, path: string): Promise<void> {
  const { body } = await fetchOk(url, {});
  if (!body) throw new Error(`${url} answers with nothing`);
  const hash = createHash("sha256");
  const hashed = new Transform({
    transform(bytes: Uint8Array, _, done) {
      hash.update(bytes);
      done(null, bytes);
    },
  });
  await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), hashed, createWriteStream(path));
  if (hashes.sha256 !== undefined && hash.digest("hex") !== hashes.sha256)
    throw new Error(`${filename} is not what the index says (SHA-256)`);
}

async function fetchOk(address: string, headers: Record<string, string>): Promise<Response> {
  const response = await fetch(address, { headers }).catch((error: Error) => {
    const { cause } = error;
    throw new Error(`${new URL(address).host}: ${cause instanceof Error ? cause.message : error.message}`, { cause });
  });
  if (!response.ok) throw new Error(`${address} answers with status ${response.status}`);
  return response;
}

/** A file in a zip archive. */
interface Member {
  readonly name: string;
  /** Where its local header is. */
  readonly offset: number;
  readonly bytes: number;
  readonly isDeflated: boolean;
}

const NO_ARCHIVE = "the download is no zip archive";
const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;

/** Writes the files of a zip archive that are wanted, without their folders. Wheels are smaller than 4 GB, so that zip64 is not read. */
async function extract(archive: string, takes: (file: string) => boolean, folder: string): Promise<readonly string[]> {
  const file = await open(archive);
  try {
    const part = async (start: number, bytes: number) => (await file.read(Buffer.alloc(bytes), 0, bytes, start)).buffer;
    const { size } = await file.stat();
    const names: string[] = [];
    for (const { name, offset, bytes, isDeflated } of membersOf(...(await directoryOf(part, size)))) {
      const target = basename(name);
      if (!takes(target)) continue;
      const header = await part(offset, 30);
      const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
      const partial = join(folder, `.${crypto.randomUUID()}.part`);
      const content = createReadStream(archive, { start, end: start + bytes - 1 });
      try {
        await (isDeflated
          ? pipeline(content, createInflateRaw(), createWriteStream(partial))
          : pipeline(content, createWriteStream(partial)));
        // In one step: a library is there as a whole or not at all.
        await rename(partial, join(folder, target));
      } finally {
        await rm(partial, { force: true });
      }
      names.push(target);
    }
    return names;
  } finally {
    await file.close();
  }
}

/** The list of files at the end of an archive, and how many they are. */
async function directoryOf(
  part: (start: number, bytes: number) => Promise<Buffer>,
  size: number,
): Promise<readonly [directory: Buffer, count: number]> {
  // The last record has 22 bytes, and a comment of up to 64 KiB.
  const start = Math.max(0, size - 22 - 65_536);
  const end = await part(start, size - start);
  for (let at = end.length - 22; at >= 0; at--) {
    if (end.readUInt32LE(at) !== END_OF_DIRECTORY) continue;
    const [count, bytes, offset] = [end.readUInt16LE(at + 10), end.readUInt32LE(at + 12), end.readUInt32LE(at + 16)];
    if (offset + bytes > size) break;
    return [await part(offset, bytes), count];
  }
  throw new Error(NO_ARCHIVE);
}

function membersOf(directory: Buffer, count: number): readonly Member[] {
  const members: Member[] = [];
  for (let at = 0; members.length < count; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error(NO_ARCHIVE);
    const [method, bytes, length] = [directory.readUInt16LE(at + 10), directory.readUInt32LE(at + 20), directory.readUInt16LE(at + 28)];
    const name = directory.toString("utf8", at + 46, at + 46 + length);
    members.push({ name, bytes, offset: directory.readUInt32LE(at + 42), isDeflated: method === 8 });
    at += 46 + length + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return members;
}
