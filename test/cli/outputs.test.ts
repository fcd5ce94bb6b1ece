import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OutputRequest, planOutputs, savePicture, slugOf } from "../../src/cli/outputs.js";
import { OutputError } from "../../src/errors.js";
import { Picture } from "../../src/image/picture.js";
import { setWarningHandler } from "../../src/warnings.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "darkroom-outputs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const plan = (out: string, more: Partial<OutputRequest> = {}) =>
  planOutputs({ out: join(folder, out), prompt: "A red fox!", seeds: [7n], grid: false, force: false, ...more });
const touch = (name: string) => writeFileSync(join(folder, name), "kept");
const inFolder = (...names: string[]) => names.map((name) => join(folder, name));

describe("planOutputs", () => {
  it("uses a file name unchanged", () => {
    expect(plan("fox.png")).toEqual({ images: inFolder("fox.png"), grid: undefined });
  });

  it("numbers several pictures of one name", () => {
    expect(plan("fox.png", { seeds: [7n, 8n], grid: true })).toEqual({
      images: inFolder("fox-1.png", "fox-2.png"),
      grid: join(folder, "fox-grid.png"),
    });
  });

  it("names pictures in a folder after prompt and seed", () => {
    expect(plan("", { seeds: [7n, 8n], grid: true })).toEqual({
      images: inFolder("a-red-fox-7.png", "a-red-fox-8.png"),
      grid: join(folder, "a-red-fox-7-grid.png"),
    });
  });

  it("takes a name that ends with / as a new folder", () => {
    expect(plan("new/deep/").images).toEqual(inFolder("new/deep/a-red-fox-7.png"));
  });

  it("finds a free number for a generated name", () => {
    touch("a-red-fox-7.png");
    touch("a-red-fox-7-2.png");
    expect(plan("").images).toEqual(inFolder("a-red-fox-7-3.png"));
  });

  it("overwrites a generated name with force", () => {
    touch("a-red-fox-7.png");
    expect(plan("", { force: true }).images).toEqual(inFolder("a-red-fox-7.png"));
  });

  it("refuses an existing file", () => {
    touch("fox.png");
    expect(() => plan("fox.png")).toThrow(/fox\.png exists and was not overwritten/);
    expect(plan("fox.png", { force: true }).images).toEqual(inFolder("fox.png"));
  });

  it("refuses an existing grid", () => {
    touch("fox-grid.png");
    expect(() => plan("fox.png", { grid: true })).toThrow(OutputError);
  });

  it.each(["fox.gif", "fox.bmp", "fox", ".png", "fox.png.txt"])("refuses %s, which is no picture's name", (name) => {
    expect(() => plan(name)).toThrow(/expected a file name ending in \.png, \.jpg, \.jpeg or \.webp, or a folder/);
  });

  it.each(["fox.jpg", "fox.JPEG", "fox.webp"])("takes the format from the name's ending: %s", (name) => {
    const ending = name.slice(name.indexOf("."));
    expect(plan(name, { seeds: [1n, 2n], grid: true, quality: 50 })).toEqual({
      images: inFolder(`fox-1${ending}`, `fox-2${ending}`),
      grid: join(folder, `fox-grid${ending}`),
    });
  });

  it.each([
    ["jpeg", "jpg"],
    ["webp", "webp"],
  ] as const)("generates names of %s files on request", (format, ending) => {
    expect(plan("", { format, grid: true, quality: 50 })).toEqual({
      images: inFolder(`a-red-fox-7.${ending}`),
      grid: join(folder, `a-red-fox-7-grid.${ending}`),
    });
  });

  it("refuses a name of another format than the requested one, and takes one of the same", () => {
    expect(() => plan("fox.png", { format: "jpeg" })).toThrow(/fox\.png" and --jpeg was given, which is another format/);
    expect(plan("fox.jpeg", { format: "jpeg" }).images).toEqual(inFolder("fox.jpeg"));
  });

  it("refuses a quality for PNG", () => {
    for (const name of ["fox.png", "", "new/"]) expect(() => plan(name, { quality: 90 })).toThrow(/^--quality is for JPEG and WebP/);
  });

  it("refuses an empty --out", () => {
    expect(() => planOutputs({ out: "", prompt: "x", seeds: [1n], grid: false, force: false })).toThrow(/--out is empty/);
  });

  it("refuses a folder that cannot be made, before any work", () => {
    touch("file");
    expect(() => plan("file/fox.png")).toThrow(/cannot write .*file\/fox\.png: a part of its path is a file/);
  });

  it("refuses a name that is too long, before any work", () => {
    expect(() => plan(`${"x".repeat(300)}.png`)).toThrow(/the name is too long/);
  });

  it.skipIf(process.platform !== "linux")("refuses a folder that takes no files, before any work", () => {
    expect(() => planOutputs({ out: "/proc/fox.png", prompt: "x", seeds: [1n], grid: false, force: false })).toThrow(OutputError);
  });

  it("leaves nothing behind", () => {
    plan("new/fox.png");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("savePicture", () => {
  const picture = new Picture(1, 1, new Uint8Array(3));

  it("makes missing folders", async () => {
    await savePicture(picture, join(folder, "new/deep/fox.png"), {}, false);
    expect(readdirSync(join(folder, "new/deep"))).toEqual(["fox.png"]);
  });

  it("saves under another name if the file has appeared meanwhile, with a warning", async () => {
    touch("fox.png");
    const warnings: string[] = [];
    const previous = setWarningHandler((message) => warnings.push(message));
    const path = await savePicture(picture, join(folder, "fox.png"), {}, false);
    setWarningHandler(previous);
    expect(path).toBe(join(folder, "fox-2.png"));
    expect(readFileSync(join(folder, "fox.png"), "utf8")).toBe("kept");
    expect(warnings).toHaveLength(1);
  });
});

describe("slugOf", () => {
  it.each([
    ["A red fox, on a BLUE background!", "a-red-fox-on-a-blue-background"],
    ["../../etc/passwd", "etc-passwd"],
    ["红色的狐狸", "红色的狐狸"],
    ["🦊", "picture"],
    ["", "picture"],
    ["word ".repeat(40), "word-word-word-word-word-word-word-word"],
  ])("%j becomes %s", (prompt, slug) => expect(slugOf(prompt)).toBe(slug));
});
