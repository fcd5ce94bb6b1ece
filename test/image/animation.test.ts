import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodeAnimation, saveAnimation } from "../../src/image/animation.js";
import { Picture } from "../../src/image/picture.js";
import { temporaryFolder } from "../helpers/temporary.js";

const frame = (grey: number, width = 12) => new Picture(width, 10, new Uint8Array(width * 10 * 3).fill(grey));
const FRAMES = [frame(0), frame(120), frame(240)];

describe("animations", () => {
  it.each(["webp", "gif"] as const)("%s: has all frames with their duration", async (format) => {
    const bytes = await encodeAnimation(FRAMES, format, { fps: 10, loop: 3 });
    const found = await sharp(bytes, { animated: true }).metadata();
    expect(found).toMatchObject({ format, pages: 3, pageHeight: 10, width: 12, delay: [100, 100, 100], loop: 3 });
    const { data } = await sharp(bytes, { animated: true }).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    for (const i of [0, 1, 2]) expect(Math.abs((data[i * 12 * 10 * 3] as number) - i * 120)).toBeLessThan(8);
  });

  it("png: has the chunks of an animation in order, and the first frame for programs that know none", async () => {
    const bytes = await encodeAnimation(FRAMES, "png", { fps: 4 });
    const chunks = chunksOf(bytes);
    expect(chunks.map(({ type }) => type)).toEqual(["IHDR", "acTL", "fcTL", "IDAT", "fcTL", "fdAT", "fcTL", "fdAT", "IEND"]);
    expect(chunks[1]?.numbers).toEqual([3, 0]);
    const controls = chunks.filter(({ type }) => type === "fcTL");
    expect(controls.map(({ numbers }) => numbers.slice(0, 5))).toEqual([0, 1, 3].map((sequence) => [sequence, 12, 10, 0, 0]));
    expect(controls.every(({ data }) => data.readUInt16BE(20) === 250 && data.readUInt16BE(22) === 1000)).toBe(true);
    expect(chunks.filter(({ type }) => type === "fdAT").map(({ numbers }) => numbers[0])).toEqual([2, 4]);
    expect(await sharp(bytes).metadata()).toMatchObject({ format: "png", width: 12, height: 10 });
  });

  it("refuses no frames, frames of several sizes, unknown endings and a quality without WebP", async () => {
    await expect(encodeAnimation([], "gif")).rejects.toThrow("a list of pictures");
    await expect(encodeAnimation([frame(0), frame(0, 13)], "gif")).rejects.toThrow("frame 1 is 13x10, and frame 0 is 12x10");
    await expect(saveAnimation(FRAMES, "fox.mp4")).rejects.toThrow("supported names end in .webp, .gif, .png or .apng");
    await expect(encodeAnimation(FRAMES, "png", { quality: 5 })).rejects.toThrow("it applies to WebP");
    await expect(encodeAnimation(FRAMES, "webp", { fps: 0 })).rejects.toThrow("fps");
  });

  it("is written in the format of the name's ending", async () => {
    const path = join(temporaryFolder(), "fox.apng");
    await saveAnimation(FRAMES, path);
    expect((await readFile(path)).includes("acTL")).toBe(true);
    await expect(saveAnimation(FRAMES, path, { overwrite: false })).rejects.toThrow("exists");
  });
});

function chunksOf(bytes: Uint8Array) {
  const file = Buffer.from(bytes);
  const chunks: { type: string; data: Buffer; numbers: number[] }[] = [];
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const data = file.subarray(at + 8, at + 8 + length);
    const numbers = Array.from({ length: Math.floor(Math.min(length, 20) / 4) }, (_, i) => data.readUInt32BE(4 * i));
    chunks.push({ type: file.toString("latin1", at + 4, at + 8), data, numbers });
    at += 12 + length;
  }
  return chunks;
}
