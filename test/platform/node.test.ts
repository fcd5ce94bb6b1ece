import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { locationOf } from "../../src/platform/node/disk-file.js";
import { openFolder, openFolderOf } from "../../src/platform/node/platform.js";
import { checkpointError } from "../helpers/errors.js";
import { temporaryFolder } from "../helpers/temporary.js";

describe("openFolderOf", () => {
  it.each([
    ["models/a.safetensors", "models", "a.safetensors"],
    ["a.safetensors", ".", "a.safetensors"],
    ["/a.safetensors", "/", "a.safetensors"],
  ])("finds the folder and the name of the file %s", (path, folder, name) => {
    const found = openFolderOf(path);
    expect([found.folder.name, found.path]).toEqual([folder, name]);
  });
});

describe("openFolder", () => {
  it("reads a whole file", async () => {
    const folder = openFolder(temporaryFolder({ "unet/config.json": "{}" }));
    expect(Buffer.from(await folder.read("unet/config.json")).toString()).toBe("{}");
  });

  it("reads a range of bytes", async () => {
    const folder = openFolder(temporaryFolder({ a: "0123456789" }));
    expect(Buffer.from(await folder.read("a", 3, 4)).toString()).toBe("3456");
  });

  it("refuses a range that ends after the end of the file", async () => {
    const folder = openFolder(temporaryFolder({ a: "0123456789" }));
    const error = await checkpointError(folder.read("a", 8, 3));
    expect(error.message).toMatch(/a has 10 bytes; bytes 8 to 11/);
  });

  it("lists files and links, not folders", async () => {
    const path = temporaryFolder({ "a.json": "{}", "unet/b.json": "{}" });
    symlinkSync("a.json", join(path, "link.json"));
    expect([...(await openFolder(path).list())].sort()).toEqual(["a.json", "link.json"]);
  });

  it("lists nothing if the folder does not exist", async () => {
    const folder = openFolder(temporaryFolder({ file: "" }));
    expect(await folder.open("absent").list()).toEqual([]);
    expect(await folder.open("file").list()).toEqual([]);
  });

  it("knows which files exist", async () => {
    const folder = openFolder(temporaryFolder({ "unet/config.json": "{}" }));
    expect(await folder.has("unet/config.json")).toBe(true);
    expect(await folder.has("unet")).toBe(false);
    expect(await folder.has("unet/config.json/deeper")).toBe(false);
  });

  it("finds the file that a link of the hub cache leads to", async () => {
    const path = temporaryFolder({ "blobs/0f3a": "weights" });
    mkdirSync(join(path, "snapshots/main/unet"), { recursive: true });
    symlinkSync("../../../blobs/0f3a", join(path, "snapshots/main/unet/x.safetensors"));
    const folder = openFolder(join(path, "snapshots/main"));
    expect(locationOf(await folder.open("unet").file("x.safetensors"))).toBe(join(realpathSync(path), "blobs/0f3a"));
    expect(Buffer.from(await folder.read("unet/x.safetensors")).toString()).toBe("weights");
  });

  it("says that the download is incomplete if a link leads to nothing", async () => {
    const path = temporaryFolder();
    symlinkSync("../../blobs/gone", join(path, "x.safetensors"));
    const error = await checkpointError(openFolder(path).read("x.safetensors"));
    expect(error.message).toMatch(/x\.safetensors is a link to a file that does not exist/);
    expect(error.hint).toMatch(/download/);
  });

  it("recognises a link that leads back to itself", async () => {
    const path = temporaryFolder();
    symlinkSync("x", join(path, "x"));
    expect((await checkpointError(openFolder(path).read("x"))).message).toMatch(/leads back to itself/);
  });

  it.each(["../secret", "/etc/passwd", "unet/../../secret", "..\\secret", "c:secret", "a\0b", "", "unet//x", "./x"])(
    "refuses the path %j",
    async (path) => {
      const folder = openFolder(temporaryFolder({ x: "" }));
      expect((await checkpointError(folder.read(path))).message).toMatch(/is not a path inside the checkpoint/);
      await checkpointError(folder.file(path));
      await checkpointError(folder.has(path));
    },
  );

  it("refuses a subfolder that leaves the folder", () => {
    const folder = openFolder(temporaryFolder());
    expect(() => folder.open("..")).toThrow(/not a path inside/);
  });

  it("names a missing file and what to do", async () => {
    const path = temporaryFolder();
    const error = await checkpointError(openFolder(path).size("unet/config.json"));
    expect(error.message).toBe(`${path}/unet/config.json does not exist`);
    expect(error.hint).toBeTruthy();
  });

  it("says how a checkpoint on the hub is named, if a folder does not exist", async () => {
    const error = await checkpointError(openFolder("stabilityai/sd-turbo-that-is-not-here").check());
    expect(error.message).toBe("stabilityai/sd-turbo-that-is-not-here does not exist");
    expect(error.hint).toMatch(/for a checkpoint on the Hugging Face hub, give its id: owner\/name$/);
  });

  it("says that a file was given instead of a folder", async () => {
    const path = temporaryFolder({ "model.ckpt": "" });
    const error = await checkpointError(openFolder(join(path, "model.ckpt")).check());
    expect(error.message).toMatch(/model\.ckpt is a file; a folder was expected/);
  });

  it("refuses a folder instead of a file", async () => {
    const folder = openFolder(temporaryFolder({ "config.json/x": "" }));
    expect((await checkpointError(folder.read("config.json"))).message).toMatch(/is a folder; a file was expected/);
  });

  it.skipIf(process.platform === "win32")("refuses a pipe instead of waiting for it", async () => {
    const path = temporaryFolder();
    execFileSync("mkfifo", [join(path, "config.json")]);
    expect((await checkpointError(openFolder(path).read("config.json"))).message).toMatch(/device or pipe/);
  });

  it.skipIf(process.platform === "win32" || process.getuid?.() === 0)("says of a file it may not read what to change", async () => {
    const path = temporaryFolder({ a: "" });
    chmodSync(join(path, "a"), 0);
    const error = await checkpointError(openFolder(path).read("a"));
    expect(error.message).toMatch(/may not be read/);
    expect(error.hint).toMatch(/permissions/);
  });

  it("says that a path with NUL cannot be read", async () => {
    await checkpointError(openFolder("a\0b").check());
  });
});
