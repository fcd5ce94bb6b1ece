import { CheckpointError } from "../../src/errors.js";
import type { Folder } from "../../src/platform/folder.js";
import type { FileRef } from "../../src/tensor/stored-tensor.js";

/** Files by their paths in a folder. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** What was read of all files: each read lay in its file, or the folder has thrown an error that no reader expects. */
export interface Reads {
  bytes: number;
}

/** A folder in memory that lets nobody read outside a file. Paths are as strict as on disk. */
export class MemoryFolder implements Folder {
  constructor(
    private readonly files: Files,
    readonly name = "hostile",
    private readonly prefix = "",
    readonly reads: Reads = { bytes: 0 },
  ) {}

  async check(): Promise<void> {
    if (![...this.files.keys()].some((path) => path.startsWith(this.prefix))) throw new CheckpointError(`${this.name} does not exist`);
  }

  async list(): Promise<readonly string[]> {
    const paths = [...this.files.keys()].filter((path) => path.startsWith(this.prefix)).map((path) => path.slice(this.prefix.length));
    return paths.filter((path) => !path.includes("/"));
  }

  async has(path: string): Promise<boolean> {
    return this.files.has(this.resolve(path));
  }

  async size(path: string): Promise<number> {
    return this.find(path).length;
  }

  async read(path: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.find(path);
    const end = length === undefined ? bytes.length : offset + length;
    if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(end) && 0 <= offset && offset <= end && end <= bytes.length)) {
      throw new Error(`bytes ${offset} to ${end} of ${path} were asked for, which has ${bytes.length}`);
    }
    this.reads.bytes += end - offset;
    return bytes.slice(offset, end) as Uint8Array<ArrayBuffer>;
  }

  async file(path: string): Promise<FileRef> {
    this.find(path);
    return { id: this.resolve(path) };
  }

  open(subfolder: string): Folder {
    return new MemoryFolder(this.files, `${this.name}/${subfolder}`, `${this.resolve(subfolder)}/`, this.reads);
  }

  private find(path: string): Uint8Array {
    const bytes = this.files.get(this.resolve(path));
    if (bytes) return bytes;
    throw new CheckpointError(`${this.name} has no such file`);
  }

  private resolve(path: string): string {
    const isInside = path.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !/[\\\0]|^[a-z]:/i.test(path);
    if (!isInside) throw new CheckpointError("not a path inside the checkpoint");
    return `${this.prefix}${path}`;
  }
}
