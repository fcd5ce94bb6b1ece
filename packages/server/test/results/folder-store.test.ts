import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FolderStore } from "../../src/results/folder-store.js";

const BYTES = new TextEncoder().encode("a picture");
const HASH = createHash("sha256").update(BYTES).digest("hex");

describe("the folder of pictures", () => {
  let folder: string;
  let store: FolderStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "darkroom-store-"));
    store = await FolderStore.open(join(folder, "pictures"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const files = async () =>
    (await readdir(join(folder, "pictures"), { recursive: true, withFileTypes: true })).filter((file) => file.isFile());

  it("gives bytes back by their SHA-256, also to the next process", async () => {
    expect(await store.put(BYTES)).toBe(HASH);
    expect(Buffer.from((await store.get(HASH)) ?? [])).toEqual(Buffer.from(BYTES));
    await store.close();
    const again = await FolderStore.open(join(folder, "pictures"));
    expect(Buffer.from((await again.get(HASH)) ?? [])).toEqual(Buffer.from(BYTES));
  });

  it("spreads files over folders by the first two digits", async () => {
    await store.put(BYTES);
    expect(await readFile(join(folder, "pictures", HASH.slice(0, 2), HASH))).toEqual(Buffer.from(BYTES));
  });

  it("writes the same bytes once, also when they come at the same time", async () => {
    const hashes = await Promise.all([store.put(BYTES), store.put(BYTES), store.put(BYTES)]);
    expect(new Set(hashes)).toEqual(new Set([HASH]));
    const path = join(folder, "pictures", HASH.slice(0, 2), HASH);
    const { ino } = await stat(path);
    await store.put(BYTES);
    expect((await stat(path)).ino).toBe(ino);
    expect(await files()).toHaveLength(1);
  });

  it("writes a file again that was cut off", async () => {
    await store.put(BYTES);
    await writeFile(join(folder, "pictures", HASH.slice(0, 2), HASH), "a pic");
    await store.put(BYTES);
    expect(Buffer.from((await store.get(HASH)) ?? [])).toEqual(Buffer.from(BYTES));
  });

  it("deletes, and does not mind what is not there", async () => {
    await store.put(BYTES);
    await store.delete(HASH);
    await store.delete(HASH);
    expect(await store.get(HASH)).toBeUndefined();
    expect(await files()).toEqual([]);
  });

  it("knows no names but hashes, so that none leads out of the folder", async () => {
    const secret = join(folder, "secret");
    await writeFile(secret, "secret");
    const names = [
      "../secret",
      "../../secret",
      secret,
      "..",
      "",
      HASH.toUpperCase(),
      `${HASH}/../../../secret`,
      `../${HASH.slice(3)}`,
      `${HASH}\n`,
    ];
    for (const name of names) {
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
