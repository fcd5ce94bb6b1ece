import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { sizeOfRatio } from "../src/aspect-ratio.js";
import { repaintMask } from "../src/repaint-mask.js";
import { plain } from "./pictures.js";

describe("an aspect ratio", () => {
  it("becomes a size of multiples of 8 with about the model's pixels", () => {
    expect(sizeOfRatio(16 / 9, 1024)).toEqual({ width: 1368, height: 768 });
    expect(sizeOfRatio(9 / 16, 1024)).toEqual({ width: 768, height: 1368 });
    expect(sizeOfRatio(1, 512)).toEqual({ width: 512, height: 512 });
    expect(sizeOfRatio(3 / 2, 512)).toEqual({ width: 624, height: 416 });
    expect(sizeOfRatio(1000, 64)).toEqual({ width: 8000, height: 8 });
  });
});

describe("a mask", () => {
  const raw = async (file: Uint8Array) => [...(await sharp(file).extractChannel(0).raw().toBuffer())];

  it("is white where it was transparent", async () => {
    const half = await sharp(Buffer.from([1, 2, 3, 0, 1, 2, 3, 255, 1, 2, 3, 128]), { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect(await raw(repaintMask(half))).toEqual([255, 0, 127]);
  });

  it("stays as it is without transparent parts", async () => {
    const opaque = await plain(2, 2, { r: 255, g: 255, b: 255, alpha: 1 });
    expect(repaintMask(opaque)).toBe(opaque);
    const white = await plain(2, 2, "white");
    expect(repaintMask(white)).toBe(white);
    const jpeg = await sharp(white).jpeg().toBuffer();
    expect(repaintMask(jpeg)).toBe(jpeg);
    const nothing = new Uint8Array(3);
    expect(repaintMask(nothing)).toBe(nothing);
  });
});
