import { CheckpointError, type DarkroomErrorOptions } from "../../errors.js";
import type { Folder } from "../../platform/folder.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { JsonObject } from "../json.js";
import { type Weights, weightsIn } from "../weights.js";

/** What a {@link VirtualFolder} holds. */
export interface VirtualContents {
  /** JSON files by name. Each is made when it is first read. */
  readonly files?: Readonly<Record<string, () => JsonObject>>;
  /** A folder with further files. `files` and `folders` override it. */
  readonly base?: Folder;
  /** Subfolders by name. */
  readonly folders?: Readonly<Record<string, Folder>>;
  readonly weights?: Weights;
  /** The class of the network that the weights are of. */
  readonly className?: string;
  /** Why there are no weights. */
  readonly absence?: { readonly message: string } & DarkroomErrorOptions;
}

/** A folder whose configs are made in memory and whose weights lie in other files. */
export class VirtualFolder implements Folder {
  readonly weights: Weights | undefined;
  /** The class of the network that the weights are of, if that is known. */
  readonly className: string | undefined;
  private readonly bytes = new Map<string, Uint8Array<ArrayBuffer>>();

  constructor(
    readonly name: string,
    private readonly contents: VirtualContents,
  ) {
    this.className = contents.className;
    this.weights = contents.weights ?? (contents.base && weightsIn(contents.base));
  }

  async check(): Promise<void> {
    const { files, base, folders, weights, absence } = this.contents;
    if (absence) throw this.missing();
    if (files || folders || weights) return;
    if (!base) throw this.missing();
    await base.check();
  }

  async list(): Promise<readonly string[]> {
    const own = Object.keys(this.contents.files ?? {});
    const others = (await this.contents.base?.list()) ?? [];
    return [...own, ...others.filter((name) => !own.includes(name))];
  }

  async has(path: string): Promise<boolean> {
    const [folder, file] = this.find(path);
    if (folder !== this) return folder.has(file);
    return Object.hasOwn(this.contents.files ?? {}, path) || ((await this.contents.base?.has(path)) ?? false);
  }

  async size(path: string): Promise<number> {
    const [folder, file] = this.find(path);
    if (folder !== this) return folder.size(file);
    return this.own(path)?.length ?? this.base(path).size(path);
  }

  async read(path: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const [folder, file] = this.find(path);
    if (folder !== this) return folder.read(file, offset, length);
    const bytes = this.own(path);
    if (!bytes) return this.base(path).read(path, offset, length);
    return bytes.slice(offset, length === undefined ? undefined : offset + length);
  }

  async file(path: string): Promise<FileRef> {
    const [folder, file] = this.find(path);
    if (folder !== this) return folder.file(file);
    if (this.own(path)) throw new CheckpointError(`${this.name}/${path} is made in memory and has no file`);
    return this.base(path).file(path);
  }

  open(subfolder: string): Folder {
    const [folder, name] = this.find(subfolder);
    if (folder !== this) return folder.open(name);
    const { folders = {}, base, absence } = this.contents;
    if (Object.hasOwn(folders, name)) return folders[name] as Folder;
    return base ? base.open(name) : new VirtualFolder(`${this.name}/${name}`, { absence });
  }

  /** A path's folder, and its last part. */
  private find(path: string): readonly [Folder, string] {
    const slash = path.indexOf("/");
    return slash === -1 ? [this, path] : [this.open(path.slice(0, slash)), path.slice(slash + 1)];
  }

  private own(path: string): Uint8Array<ArrayBuffer> | undefined {
    const { files = {} } = this.contents;
    const make = Object.hasOwn(files, path) ? files[path] : undefined;
    if (!make) return undefined;
    const bytes = this.bytes.get(path) ?? new TextEncoder().encode(JSON.stringify(make()));
    this.bytes.set(path, bytes);
    return bytes;
  }

  private base(path: string): Folder {
    if (!this.contents.base) throw this.missing(path);
    return this.contents.base;
  }

  private missing(path?: string): CheckpointError {
    const { message, ...options } = this.contents.absence ?? {
      message: `${path === undefined ? this.name : `${this.name}/${path}`} does not exist`,
    };
    return new CheckpointError(message, options);
  }
}
