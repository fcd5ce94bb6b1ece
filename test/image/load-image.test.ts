import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { GrayPicture } from "../../src/image/gray-picture.js";
import { loadImage, loadMask } from "../../src/image/load-image.js";
import { Picture } from "../../src/image/picture.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";

const pixels = Uint8Array.from({ length: 4 * 2 * 3 }, (_, i) => (i * 37) % 256);
const picture = new Picture(4, 2, pixels);
const png = picture.toPng();

describe("loadImage", () => {
  const folder = mkdtempSync(join(tmpdir(), "darkroom-"));
  const server = createServer((request, response) => {
    if (request.url === "/picture.png") response.end(png);
    else response.writeHead(404).end();
  });
  let address = "";
  beforeAll(async () => {
    writeFileSync(join(folder, "picture.png"), png);
    writeFileSync(join(folder, "text.png"), "no picture");
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ["a path", () => join(folder, "picture.png")],
    ["a web address", () => `${address}/picture.png`],
    ["a URL", () => new URL(`${address}/picture.png`)],
    ["a file URL", () => new URL(`file://${join(folder, "picture.png")}`)],
    ["a data URL", () => `data:image/png;base64,${Buffer.from(png).toString("base64")}`],
    ["a Buffer", () => Buffer.from(png)],
    ["an ArrayBuffer", () => Uint8Array.from(png).buffer],
    ["a Blob", () => new Blob([Uint8Array.from(png)])],
    ["raw RGB pixels", () => ({ width: 4, height: 2, channels: 3 as const, data: pixels })],
    ["a Picture", () => picture],
  ])("reads %s", async (_, source) => {
    const loaded = await loadImage(source());
    expect([loaded.width, loaded.height]).toEqual([4, 2]);
    expect(Array.from(loaded.data)).toEqual(Array.from(pixels));
  });

  it("drops transparency without a background, as diffusers does", async () => {
    const data = Uint8Array.from([10, 20, 30, 0, 40, 50, 60, 128]);
    expect(Array.from((await loadImage({ width: 2, height: 1, channels: 4, data })).data)).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it("gives a grey image's value to all three channels", async () => {
    expect(Array.from((await loadImage({ width: 2, height: 1, channels: 1, data: Uint8Array.from([7, 9]) })).data)).toEqual([
      7, 7, 7, 9, 9, 9,
    ]);
  });

  it("turns a JPEG upright as its EXIF orientation says", async () => {
    const sideways = await sharp(Buffer.from(pixels), { raw: { width: 4, height: 2, channels: 3 } })
      .jpeg()
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const { width, height } = await loadImage(sideways);
    expect([width, height]).toEqual([2, 4]);
  });

  it.each([
    ["a file that is not there", () => join(folder, "missing.png"), /missing\.png cannot be read/],
    ["a file that is no image", () => join(folder, "text.png"), /text\.png is not an image/],
    ["an address that answers 404", () => `${address}/missing.png`, /answered 404/],
    ["an address nobody listens at", () => "http://127.0.0.1:1/x.png", /cannot be fetched/],
    [
      "half a JPEG",
      async () => (await picture.encode("jpeg")).slice(0, 300),
      /is not an image that can be read: it is a JPEG picture, but /,
    ],
    ["an empty buffer", () => new Uint8Array(), /is not an image that can be read: the file is empty/],
    ["an archive", () => Buffer.from("PK\x03\x04 and more"), /is not an image that can be read: it is a ZIP archive/],
    ["bytes that are no image", () => new Uint8Array(20), /the given buffer is not an image/],
    [
      "a server's answer",
      () => Buffer.from('{"message": "log in first"}'),
      'the given buffer is not an image that can be read: it is JSON, a server\'s answer in place of the file: "log in first"',
    ],
    ["too few raw pixels", () => ({ width: 4, height: 2, channels: 3 as const, data: pixels.slice(1) }), /needs 24 bytes; 23 were given/],
  ])("refuses %s, saying so", async (_, source, message) => {
    const attempt = loadImage(await source());
    await expect(attempt).rejects.toThrow(ArgumentError);
    await expect(attempt).rejects.toThrow(message);
  });
});

describe("loadMask", () => {
  it("takes gray pictures, such as masks and edges, as loadImage does", async () => {
    const gray = new GrayPicture(2, 1, Uint8Array.from([7, 255]));
    for (const load of [loadImage, loadMask]) expect(Array.from((await load(gray)).data)).toEqual([7, 7, 7, 255, 255, 255]);
  });

  const rgba = (...alphas: number[]) => ({
    ...{ width: alphas.length, height: 1, channels: 4 as const },
    data: Uint8Array.from(alphas.flatMap((alpha) => [255, 255, 255, alpha])),
  });

  it("ignores the transparency of a mask, as diffusers does, with a warning", async () => {
    const warnings = collectWarnings();
    expect(Array.from((await loadMask(rgba(0, 255))).data)).toEqual([255, 255, 255, 255, 255, 255]);
    expect(warnings).toEqual([expect.stringMatching(/^the mask has transparent pixels, but transparency is ignored: white is repainted/)]);
    const folder = temporaryFolder();
    const { data, ...raw } = rgba(255, 128);
    await sharp(data, { raw }).png().toFile(join(folder, "mask.png"));
    await loadMask(join(folder, "mask.png"));
    expect(warnings[1]).toContain(`the mask ${join(folder, "mask.png")} has transparent`);
  });

  it("does not warn about an opaque mask", async () => {
    const warnings = collectWarnings();
    for (const mask of [
      rgba(255, 255),
      picture,
      Buffer.from(png),
      { width: 1, height: 1, channels: 1 as const, data: new Uint8Array(1) },
    ]) {
      await loadMask(mask);
    }
    expect(warnings).toEqual([]);
  });
});
