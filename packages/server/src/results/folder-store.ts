import { createHash, randomBytes, randomUUID } from "node:crypto";
import { link, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder } from "../make-folder.js";
import { type ResultStore, SHA256, type StoreIdentity } from "./result-store.js";

/**
 * No write takes so long: what is older was left by a process that ended. Younger ones can be of another process that shares the folder.
 */
const LONGEST_WRITE_MS = 600_000;

/** A full disk has room for a picture again when it takes so much. */
const PROBE_BYTES = 2 ** 20;

/**
 * Pictures in a folder: 3f/3f79bb… are the bytes with this SHA-256. Processes can share it.
 * Names are hashes or are refused, so no name leads out of the folder.
 */
export class FolderStore implements ResultStore {
  readonly #folder: string;
  #failure: unknown;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the folder, or makes it, and removes what killed writes left. */
  static async open(folder: string): Promise<FolderStore> {
    const store = new FolderStore(folder);
    await makeFolder(store.#unfinished);
    await store.#removeLeftovers();
    return store;
  }

  async put(bytes: Uint8Array): Promise<string> {
    const hash = createHash("sha256").update(bytes).digest("hex");
    const path = this.#path(hash);
    if ((await sizeOf(path)) === bytes.length) return hash;
    const unfinished = join(this.#unfinished, randomUUID());
    try {
      await writeSynced(unfinished, bytes);
      await makeFolder(dirname(path));
      await rename(unfinished, path);
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      await rm(unfinished, { force: true });
      throw error;
    }
    return hash;
  }

  async check(): Promise<void> {
    if (this.#failure === undefined) return;
    const bytes = randomBytes(PROBE_BYTES);
    await this.delete(await this.put(bytes));
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!SHA256.test(hash)) return undefined;
    return unlessMissing(readFile(this.#path(hash)));
  }

  async delete(hash: string): Promise<void> {
    if (SHA256.test(hash)) await rm(this.#path(hash), { force: true });
  }

  /** The folder has a file with a number of its own, so that it is known by other paths, too. */
  async identity(): Promise<StoreIdentity> {
    const path = join(this.#folder, "store-id");
    let id = await unlessMissing(readFile(path, "utf8"));
    if (!id) {
      const unfinished = join(this.#unfinished, randomUUID());
      await writeSynced(unfinished, Buffer.from(randomUUID()));
      // Unlike a rename, it leaves the file of another process that was quicker.
      await link(unfinished, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") return rename(unfinished, path);
      });
      await rm(unfinished, { force: true });
      id = await readFile(path, "utf8");
    }
    return { id, place: `the folder ${this.#folder}` };
  }

  async close(): Promise<void> {}

  get #unfinished(): string {
    return join(this.#folder, "unfinished");
  }

  #path(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash);
  }

  async #removeLeftovers(): Promise<void> {
    for (const name of await readdir(this.#unfinished)) {
      const path = join(this.#unfinished, name);
      const file = await unlessMissing(stat(path));
      if (file !== undefined && file.mtimeMs < Date.now() - LONGEST_WRITE_MS) await rm(path, { force: true });
    }
  }
}

/** A job is on record as done only when its pictures survive a loss of power. */
async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await unlessMissing(stat(path)))?.size;
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
