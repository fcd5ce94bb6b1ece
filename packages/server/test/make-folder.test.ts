import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeFolder } from "../src/make-folder.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "darkroom-folder-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("makes all folders that are missing, also at the same time as others", async () => {
  const path = join(folder, "a", "b", "c");
  await Promise.all([makeFolder(path), makeFolder(path), makeFolder(join(folder, "a", "d"))]);
  await makeFolder(path);
  await makeFolder("/");
  expect((await stat(path)).isDirectory()).toBe(true);
});

it("is refused where a file is in the way", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(makeFolder(join(folder, "file"))).rejects.toThrow("EEXIST");
  await expect(makeFolder(join(folder, "file", "a", "b"))).rejects.toThrow("EEXIST");
});

it.skipIf(platform() !== "linux")("ends with an error in a file system that takes no folders", async () => {
  await expect(makeFolder("/proc/x/y/z")).rejects.toThrow(/ENOENT|EACCES/);
});
