import { CheckpointError } from "../../errors.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { Folder } from "../folder.js";
import { blobFile, readBlob } from "./web-file.js";

/** A file in memory, or in a place that the browser reads from. */
export interface NamedBlob {
  readonly blob: Blob;
  /** Its name as a file; by default each blob has a name of its own. */
  readonly id?: string;
}

/** Files by their paths, read when they are first needed. They may become more: a download adds files. */
export type BlobFiles = () => Promise<ReadonlyMap<string, NamedBlob>>;

/** Blobs as a checkpoint's folder: files that were dropped on the page, or that were downloaded. */
export class BlobFolder implements Folder {
  constructor(
    readonly name: string,
    private readonly files: BlobFiles,
    private readonly below = "",
  ) {}

  async check(): Promise<void> {
    if ((await this.list()).length > 0) return;
    throw new CheckpointError(`${this.name} does not exist, or has no files`);
  }

  async list(): Promise<readonly string[]> {
    const own = [...(await this.files()).keys()].filter((path) => path.startsWith(this.below));
    return own.map((path) => path.slice(this.below.length)).filter((name) => !name.includes("/"));
  }

  async has(path: string): Promise<boolean> {
    return (await this.files()).has(this.below + path);
  }

  async size(path: string): Promise<number> {
    return (await this.find(path)).blob.size;
  }

  async read(path: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const { blob } = await this.find(path);
    return readBlob(blob, this.label(path), offset, length ?? Math.max(blob.size - offset, 0));
  }

  async file(path: string): Promise<FileRef> {
    const { blob, id } = await this.find(path);
    return blobFile(blob, id);
  }

  open(subfolder: string): Folder {
    return new BlobFolder(this.label(subfolder), this.files, `${this.below}${subfolder}/`);
  }

  private async find(path: string): Promise<NamedBlob> {
    const found = (await this.files()).get(this.below + path);
    if (found) return found;
    throw new CheckpointError(`${this.label(path)} does not exist`);
  }

  private label(path: string): string {
    return `${this.name}/${path}`;
  }
}

/** Files that the page holds as a folder. */
export function openBlobs(files: ReadonlyMap<string, Blob>, name: string): Folder {
  const named = new Map([...files].map(([path, blob]) => [path, { blob }]));
  return new BlobFolder(name, async () => named);
}
