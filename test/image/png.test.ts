import { deflateSync } from "node:zlib";
import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { encodePng, readPngSize, readPngText } from "../../src/image/png.js";

const pixels = { width: 2, height: 3, data: Uint8Array.from({ length: 18 }, (_, i) => i * 14) };

/** A PNG file whose only text chunk is this one. The CRC is left zero: no reader of ours looks at it. */
function withChunk(type: string, data: Uint8Array): Uint8Array {
  const png = encodePng(pixels);
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
  chunk.writeUInt32BE(data.length);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}

const typesOf = (png: Uint8Array) =>
  [
    ...Buffer.from(png)
      .toString("latin1")
      .matchAll(/IHDR|tEXt|iTXt|IDAT|IEND/g),
  ].map(([type]) => type);

describe("encodePng", () => {
  it("keeps every pixel", () => {
    expect([...decode(encodePng(pixels), { checkCrc: true }).data]).toEqual([...pixels.data]);
  });

  it("writes Latin-1 as tEXt, before the pixels", () => {
    const png = encodePng(pixels, { parameters: "café\nSteps: 20" });
    expect(typesOf(png)).toEqual(["IHDR", "tEXt", "IDAT", "IEND"]);
    expect(decode(png, { checkCrc: true }).text).toEqual({ parameters: "café\nSteps: 20" });
  });

  it("writes other texts as iTXt with a right CRC", () => {
    const png = encodePng(pixels, { parameters: "狐狸 🦊" });
    expect(typesOf(png)).toEqual(["IHDR", "iTXt", "IDAT", "IEND"]);
    // The decoder stops at a wrong CRC.
    expect(() => decode(png, { checkCrc: true })).not.toThrow();
  });

  it("refuses a keyword that PNG does not allow", () => {
    for (const keyword of ["", "狐", "a\0b", "k".repeat(80)]) expect(() => encodePng(pixels, { [keyword]: "x" })).toThrow(ArgumentError);
  });
});

describe("readPngText", () => {
  it.each(["plain", "café \u0085\u0099", "狐狸 🦊\nline", ""])("reads back %j", async (text) => {
    expect(await readPngText(encodePng(pixels, { parameters: text, Comment: "c" }))).toEqual({ parameters: text, Comment: "c" });
  });

  it("reads zTXt", async () => {
    const data = Buffer.concat([Buffer.from("parameters\0\0"), deflateSync(Buffer.from("café", "latin1"))]);
    expect(await readPngText(withChunk("zTXt", data))).toEqual({ parameters: "café" });
  });

  it("reads compressed iTXt with a language", async () => {
    const data = Buffer.concat([Buffer.from("parameters\0\x01\0en\0\0"), deflateSync(Buffer.from("狐狸"))]);
    expect(await readPngText(withChunk("iTXt", data))).toEqual({ parameters: "狐狸" });
  });

  it("stops a text that unpacks to more than 1 MiB", async () => {
    const data = Buffer.concat([Buffer.from("parameters\0\0"), deflateSync(Buffer.alloc(100 * 1024 * 1024))]);
    await expect(readPngText(withChunk("zTXt", data))).rejects.toThrow(/more than 1048576 bytes/);
  });

  it.each<[string, (i: number) => Uint8Array]>([
    ["packed", (i) => Buffer.concat([Buffer.from(`k${i}\0\0`), deflateSync(Buffer.alloc(1_000_000))])],
    ["plain", (i) => Buffer.concat([Buffer.from(`k${i}\0`), Buffer.alloc(1_000_000)])],
  ])("stops texts that are more than 64 MiB together, %s", async (kind, textOf) => {
    const type = kind === "plain" ? "tEXt" : "zTXt";
    const png = Array.from({ length: 70 }, (_, i) => withChunk(type, textOf(i)).subarray(33, -encodePng(pixels).length + 33));
    const whole = Buffer.concat([encodePng(pixels).subarray(0, 33), ...png, encodePng(pixels).subarray(33)]);
    await expect(readPngText(whole)).rejects.toThrow("the PNG file holds more than 67108864 bytes of texts");
  });

  it("refuses a broken compressed text", async () => {
    await expect(readPngText(withChunk("zTXt", Buffer.from("parameters\0\0junk")))).rejects.toThrow(/broken/);
  });

  it("refuses what is not a PNG file", async () => {
    await expect(readPngText(Buffer.from("GIF89a"))).rejects.toThrow("not a PNG file");
  });

  it("refuses a file cut at any byte", async () => {
    const png = encodePng(pixels, { parameters: "x" });
    for (let length = 8; length < png.length; length++) {
      await expect(readPngText(png.subarray(0, length))).rejects.toThrow("cut short");
    }
  });
});

describe("readPngSize", () => {
  it("reads width and height", () => {
    expect(readPngSize(encodePng(pixels))).toEqual({ width: 2, height: 3 });
  });
});
