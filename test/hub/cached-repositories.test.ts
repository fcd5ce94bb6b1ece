import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { listCachedRepositories, removeCachedRepository } from "../../src/hub/cached-repositories.js";
import { hubError } from "../helpers/errors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FIRST = "1".repeat(40);
const SECOND = "2".repeat(40);

/** A cache with one repository of two revisions, which share a file. */
function cache(): string {
  const root = temporaryFolder({
    "models--a--b/blobs/shared": "12345",
    "models--a--b/blobs/old": "123",
    "models--a--b/blobs/new": "1234",
    "models--a--b/refs/main": SECOND,
    "models--a--b/refs/refs/pr/1": FIRST,
    ".locks/models--a--b/shared.lock": "",
    "version.txt": "1",
  });
  link(root, FIRST, { "unet/config.json": "old", "model_index.json": "shared" });
  link(root, SECOND, { "unet/config.json": "new", "model_index.json": "shared" });
  return root;
}

function link(root: string, commit: string, files: Readonly<Record<string, string>>): void {
  for (const [path, blob] of Object.entries(files)) {
    const pointer = join(root, "models--a--b/snapshots", commit, path);
    mkdirSync(join(pointer, ".."), { recursive: true });
    symlinkSync(path.includes("/") ? `../../../blobs/${blob}` : `../../blobs/${blob}`, pointer);
  }
}

describe("listCachedRepositories", () => {
  it("counts a file once, even if several revisions have it", async () => {
    const [repository] = await listCachedRepositories({ cacheDir: cache() });
    expect(repository).toMatchObject({ id: "a/b", size: 12, files: 3, unfinished: 0 });
  });

  it("lists each revision with its branches and tags, its size and its folder", async () => {
    const cacheDir = cache();
    const [repository] = await listCachedRepositories({ cacheDir });
    expect(repository?.revisions).toMatchObject([
      { commit: FIRST, refs: ["refs/pr/1"], size: 8, files: 2 },
      { commit: SECOND, refs: ["main"], size: 9, files: 2, path: join(cacheDir, "models--a--b/snapshots", SECOND) },
    ]);
  });

  it("gives the time of the newest file", async () => {
    const cacheDir = cache();
    const time = new Date("2031-02-03T04:05:06Z");
    utimesSync(join(cacheDir, "models--a--b/blobs/new"), time, time);
    const [repository] = await listCachedRepositories({ cacheDir });
    expect(repository?.lastModified).toEqual(time);
    expect(repository?.revisions.map(({ lastModified }) => lastModified.getTime() === time.getTime())).toEqual([false, true]);
  });

  it("gives the time when a file was last read", async () => {
    const cacheDir = cache();
    const time = new Date("2031-02-03T04:05:06Z");
    utimesSync(join(cacheDir, "models--a--b/blobs/new"), time, new Date());
    const [repository] = await listCachedRepositories({ cacheDir });
    expect(repository?.lastAccessed).toEqual(time);
  });

  it("counts the bytes of unfinished downloads", async () => {
    const cacheDir = cache();
    writeFileSync(join(cacheDir, "models--a--b/blobs/x.incomplete"), "1234567");
    expect(await listCachedRepositories({ cacheDir })).toMatchObject([{ size: 19, unfinished: 7, files: 3 }]);
  });

  it("sorts by id, and skips data sets and other folders", async () => {
    const files = {
      "models--b--b/refs/main": "x",
      "models--a--z/refs/main": "x",
      "models--old/refs/main": "x",
      "datasets--a--b/refs/main": "x",
    };
    const cacheDir = temporaryFolder({ ...files, "models--file--x": "a file", "other/x": "x" });
    expect((await listCachedRepositories({ cacheDir })).map(({ id }) => id)).toEqual(["a/z", "b/b", "old"]);
  });

  it("skips broken links, circular links and malformed refs", async () => {
    const cacheDir = cache();
    rmSync(join(cacheDir, "models--a--b/blobs/new"));
    symlinkSync("circle", join(cacheDir, "models--a--b/snapshots", FIRST, "circle"));
    writeFileSync(join(cacheDir, "models--a--b/refs/gone"), "3".repeat(40));
    writeFileSync(join(cacheDir, "models--a--b/snapshots/file"), "x");
    const [repository] = await listCachedRepositories({ cacheDir });
    expect(repository?.revisions.map(({ files }) => files)).toEqual([2, 1]);
  });

  it("counts the files of snapshots that have no links", async () => {
    const cacheDir = temporaryFolder({ [`models--a--b/snapshots/${FIRST}/unet/config.json`]: "12345" });
    expect(await listCachedRepositories({ cacheDir })).toMatchObject([{ size: 5, files: 1 }]);
  });

  it("finds nothing if there is no cache", async () => {
    expect(await listCachedRepositories({ cacheDir: join(temporaryFolder(), "none") })).toEqual([]);
  });
});

describe("removeCachedRepository", () => {
  it("removes the whole repository, and nothing else", async () => {
    const cacheDir = cache();
    mkdirSync(join(cacheDir, "models--a--bc"));
    await removeCachedRepository("a/b", { cacheDir });
    expect(readdirSync(cacheDir).sort()).toEqual([".locks", "models--a--bc", "version.txt"]);
    expect(readdirSync(join(cacheDir, ".locks"))).toEqual([]);
  });

  it("returns the freed bytes, and counts the target of several links once", async () => {
    const [files, refs] = [5 + 3 + 4, 2 * 40];
    expect(await removeCachedRepository("a/b", { cacheDir: cache() })).toBe(files + refs);
  });

  it.each(["../x", "a/..", "a/../b", "/etc", "a/b/c", "", ".", "a--b", "a\\b", "a/b\0"])("refuses %j as an id", async (id) => {
    const cacheDir = cache();
    await expect(removeCachedRepository(id, { cacheDir })).rejects.toThrow(ArgumentError);
    expect(existsSync(join(cacheDir, "models--a--b"))).toBe(true);
  });

  it("names a repository that is not in the cache", async () => {
    expect((await hubError(removeCachedRepository("a/c", { cacheDir: cache() }))).message).toBe("a/c is not in the cache");
  });

  it("removes a link to another folder, but not that folder", async () => {
    const elsewhere = temporaryFolder({ "precious.txt": "x" });
    const cacheDir = temporaryFolder();
    symlinkSync(elsewhere, join(cacheDir, "models--a--b"));
    expect(await removeCachedRepository("a/b", { cacheDir })).toBe(0);
    expect(existsSync(join(elsewhere, "precious.txt"))).toBe(true);
    expect(readdirSync(cacheDir)).toEqual([]);
  });

  it("does not follow links out of the cache", async () => {
    const elsewhere = temporaryFolder({ "precious.txt": "x" });
    const cacheDir = cache();
    symlinkSync(elsewhere, join(cacheDir, "models--a--b/snapshots", FIRST, "link"));
    await removeCachedRepository("a/b", { cacheDir });
    expect(existsSync(join(elsewhere, "precious.txt"))).toBe(true);
  });

  it("refuses while the repository is being downloaded", async () => {
    const cacheDir = cache();
    writeFileSync(join(cacheDir, ".locks/models--a--b/new.darkroom.lock"), `${process.pid} ${hostname()}`);
    expect((await hubError(removeCachedRepository("a/b", { cacheDir }))).message).toMatch(/being downloaded by another process/);
    expect(existsSync(join(cacheDir, "models--a--b"))).toBe(true);
  });

  it("removes a blob that huggingface_hub shares between repositories, if no other repository uses it", async () => {
    const cacheDir = cache();
    const shared = (hash: string, references: readonly string[]) => {
      const blob = join("blobs", hash.slice(0, 2), hash);
      mkdirSync(join(cacheDir, "blobs", hash.slice(0, 2)), { recursive: true });
      writeFileSync(join(cacheDir, blob), "large");
      writeFileSync(join(cacheDir, `${blob}.refs`), references.map((reference) => `${reference}\n`).join(""));
      symlinkSync(`../../${blob}`, join(cacheDir, "models--a--b/blobs", hash));
      return join(cacheDir, blob);
    };
    const [own, common] = ["c".repeat(64), "d".repeat(64)];
    const freed = shared(own, [`models--a--b/blobs/${own}`]);
    const kept = shared(common, [`models--a--b/blobs/${common}`, `models--x--y/blobs/${common}`]);
    mkdirSync(join(cacheDir, "models--x--y/blobs"), { recursive: true });
    symlinkSync(`../../${join("blobs", "dd", common)}`, join(cacheDir, "models--x--y/blobs", common));
    const before = 5 + 3 + 4 + 2 * 40;
    expect(await removeCachedRepository("a/b", { cacheDir })).toBe(before + "large".length);
    expect(existsSync(freed)).toBe(false);
    expect(lstatSync(kept).isFile()).toBe(true);
  });
});
