import type { Stats } from "node:fs";
import { lstat, open, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ArgumentError, CheckpointError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { Folder } from "../folder.js";
import { diskFile } from "./disk-file.js";
import { errorCode } from "./error-code.js";
import { packageFile } from "./package-files.js";

/** The folder at `path` on this machine's disk, called `name` in messages. Nothing is read yet: `check()` tests whether it exists. */
export function openFolder(path: string, name = path): Folder {
  if (path === "") throw new CheckpointError("the path of the checkpoint is empty", { hint: "give the folder that holds its files" });
  return new NodeFolder(name, resolve(path), "check the path; for a checkpoint on the Hugging Face hub, give its id: owner/name");
}

/** The folder that holds the file at `path`, and the file's name in it. Nothing is read yet. */
export function openFolderOf(path: string): { readonly folder: Folder; readonly path: string } {
  return { folder: openFolder(dirname(path)), path: basename(path) };
}

/** Whether a file or a folder is at `path`; undefined if nothing is there. Anything else counts as a folder. */
export async function pathKind(path: string): Promise<"file" | "folder" | undefined> {
  return stat(path).then(
    (found) => (found.isFile() ? "file" : "folder"),
    () => undefined,
  );
}

/** @throws ArgumentError: ONNX Runtime reads weights from the disk. */
export function openBlobs(_: ReadonlyMap<string, Blob>, name: string): Folder {
  throw new ArgumentError(`${name} is a File or Blob, which only a browser can open as a checkpoint`, {
    hint: "give the path of the file",
  });
}

/** The package's folder with CLIP's vocabulary and merges, for checkpoints without a tokenizer. */
export function openTokenizerFiles(): Folder {
  return openFolder(packageFile("models/clip-tokenizer"));
}

/** The path of a checkpoint's folder in the package. */
export function packagedCheckpoint(name: string): string {
  return packageFile(`models/${name}`);
}

// fs reads at most 2^31 - 1 bytes in one call.
const LARGEST_READ = 2 ** 30;

class NodeFolder implements Folder {
  constructor(
    readonly name: string,
    private readonly root: string,
    private readonly missingHint: string,
  ) {}

  async check(): Promise<void> {
    const found = await stat(this.root).catch((error: unknown) => {
      if (isMissing(error)) throw new CheckpointError(`${this.name} does not exist`, { hint: this.missingHint, cause: error });
      throw explain(this.name, error);
    });
    if (found.isDirectory()) return;
    throw new CheckpointError(`${this.name} is a file; a folder was expected`, { hint: "give the folder that holds it" });
  }

  async list(): Promise<readonly string[]> {
    try {
      const entries = await readdir(this.root, { withFileTypes: true });
      return entries.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map((entry) => entry.name);
    } catch (error) {
      if (isMissing(error)) return [];
      throw explain(this.name, error);
    }
  }

  async has(path: string): Promise<boolean> {
    try {
      return (await stat(this.resolve(path))).isFile();
    } catch (error) {
      if (isMissing(error)) return false;
      throw explain(this.label(path), error);
    }
  }

  async size(path: string): Promise<number> {
    return (await this.statFile(path)).size;
  }

  async read(path: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const { size } = await this.statFile(path);
    const end = length === undefined ? size : offset + length;
    if (!(offset >= 0 && offset <= end && end <= size)) {
      throw new CheckpointError(`${this.label(path)} has ${size} bytes; bytes ${offset} to ${end} are needed`, {
        hint: "the file was cut short; download it again",
      });
    }
    return this.attempt(this.label(path), async () => {
      const bytes = new Uint8Array(end - offset);
      const file = await open(this.resolve(path));
      try {
        for (let at = 0; at < bytes.length; ) {
          const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, LARGEST_READ), offset + at);
          if (bytesRead === 0) throw new Error("it became shorter while it was read");
          at += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    });
  }

  async file(path: string): Promise<FileRef> {
    await this.statFile(path);
    return diskFile(await this.attempt(this.label(path), () => realpath(this.resolve(path))));
  }

  open(subfolder: string): Folder {
    return new NodeFolder(this.label(subfolder), this.resolve(subfolder), "the checkpoint is incomplete; download it again");
  }

  /** Refuses anything but a file: opening a pipe could wait for ever, and reading a device could never end. */
  private async statFile(path: string): Promise<Stats> {
    const found = await this.attempt(this.label(path), async () => {
      const target = this.resolve(path);
      try {
        return await stat(target);
      } catch (error) {
        if (isMissing(error) && (await isLink(target))) {
          throw new CheckpointError(`${this.label(path)} is a link to a file that does not exist`, {
            hint: "the download behind it is incomplete; download the checkpoint again",
            cause: error,
          });
        }
        throw error;
      }
    });
    if (!found.isFile()) {
      throw new CheckpointError(`${this.label(path)} is ${found.isDirectory() ? "a folder" : "a device or pipe"}; a file was expected`);
    }
    return found;
  }

  private resolve(path: string): string {
    const parts = path.split("/");
    if (parts.some((part) => part === "" || part === "." || part === "..") || /[\\\0]|^[a-z]:/i.test(path)) {
      throw new CheckpointError(`${this.name}: ${JSON.stringify(path)} is not a path inside the checkpoint`, {
        hint: "paths in a checkpoint are relative, with / between the parts and without ..",
      });
    }
    return join(this.root, ...parts);
  }

  private label(path: string): string {
    return `${this.name.replace(/\/+$/, "")}/${path}`;
  }

  private async attempt<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explain(name, error);
    }
  }
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  return errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR";
}

function explain(name: string, error: unknown): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const reasons: Partial<Record<string, [what: string, hint?: string]>> = {
    ENOENT: ["does not exist", "check the path; if the checkpoint was downloaded, download it again"],
    ENOTDIR: ["does not exist: a part of its path is a file, not a folder", "check the path"],
    EACCES: ["may not be read by this user", "change its permissions, or run as a user who may read it"],
    EPERM: ["may not be read by this user", "change its permissions, or run as a user who may read it"],
    ELOOP: ["is a symbolic link that leads back to itself", "download the checkpoint again"],
    EMFILE: ["cannot be opened: this process has too many files open", "raise the limit (ulimit -n)"],
  };
  const [what, hint] = reasons[errorCode(error) ?? ""] ?? [`cannot be read: ${messageOf(error)}`];
  return new CheckpointError(`${name} ${what}`, { hint, cause: error });
}
