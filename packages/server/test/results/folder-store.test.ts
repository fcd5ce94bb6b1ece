import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FolderStore } from "../../src/results/folder-store.js";
import { BYTES, HASH, testStore } from "./conformance.js";

testStore("the store in a folder", async () => {
  const folder = await mkdtemp(join(tmpdir(), "darkroom-store-"));
  const pathOf = (hash: string) => join(folder, hash.slice(0, 2), hash);
  const files = async () => (await readdir(folder, { recursive: true, withFileTypes: true })).filter((file) => file.isFile());
  return {
    open: () => FolderStore.open(folder),
    names: async () => (await files()).map(({ name }) => name),
    truncate: (hash) => truncate(pathOf(hash), 3),
    // A file that is written anew has another number.
    writes: async () => (await stat(pathOf(HASH))).ino,
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
});

describe("the folder of pictures", () => {
  let folder: string;
  let store: FolderStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "darkroom-store-"));
    store = await FolderStore.open(join(folder, "pictures"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("spreads files over folders by the first two digits", async () => {
    await store.put(BYTES);
    expect(await readFile(join(folder, "pictures", HASH.slice(0, 2), HASH))).toEqual(Buffer.from(BYTES));
  });

  it("lets no name lead out of the folder", async () => {
    const secret = join(folder, "secret");
    await writeFile(secret, "secret");
    for (const name of ["../secret", "../../secret", secret, `${HASH}/../../../secret`]) {
      expect(await store.get(name)).toBeUndefined();
      await store.delete(name);
    }
    expect(await readFile(secret, "utf8")).toBe("secret");
  });

  it("removes what killed writes left at the next start, and leaves writes of others alone", async () => {
    const unfinished = join(folder, "pictures", "unfinished");
    await writeFile(join(unfinished, "left"), "half a pic");
    await writeFile(join(unfinished, "under-way"), "half a pic");
    const hourAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(unfinished, "left"), hourAgo, hourAgo);
    await FolderStore.open(join(folder, "pictures"));
    expect(await readdir(unfinished)).toEqual(["under-way"]);
  });

  it("leaves nothing behind when a write fails", async () => {
    const place = join(folder, "pictures", HASH.slice(0, 2));
    await writeFile(place, "a file in the way");
    await expect(store.put(BYTES)).rejects.toThrow();
    expect(await readdir(join(folder, "pictures", "unfinished"))).toEqual([]);
    expect(await store.get("0".repeat(64))).toBeUndefined();
  });
});
