import "../../src/hub/open-checkpoint.js";
import { describe, expect, it } from "vitest";
import { Picture } from "../../src/image/picture.js";
import { Qwen2VLImageProcessor } from "../../src/image/qwen2-vl-image-processor.js";
import { checkpoint } from "../helpers/fixtures.js";

const picture = (width: number, height: number) => new Picture(width, height, new Uint8Array(width * height * 3).fill(128));
const grids = (processor: Qwen2VLImageProcessor, ...sizes: readonly (readonly [number, number])[]) =>
  Array.from(processor.preprocess(sizes.map(([width, height]) => picture(width, height))).imageGridThw.data, Number);

describe("Qwen2-VL's image processor", () => {
  // By transformers' smart_resize.
  it("makes sides multiples of 28, of two as near the even one, with as many pixels as are allowed", () => {
    expect(grids(new Qwen2VLImageProcessor(), [70, 42], [384, 384], [100, 20], [2000, 1500])).toEqual([
      ...[1, 4, 4],
      ...[1, 28, 28],
      ...[1, 2, 8],
      ...[1, 60, 82],
    ]);
    expect(grids(new Qwen2VLImageProcessor({ minPixels: 28 * 28 * 16, maxPixels: 28 * 28 * 20 }), [30, 30], [500, 300])).toEqual([
      ...[1, 8, 8],
      ...[1, 6, 10],
    ]);
  });

  it("reads its settings from a checkpoint, and writes them", async () => {
    const processor = await Qwen2VLImageProcessor.fromPretrained(checkpoint("qwen-image-edit-mini"), { subfolder: "processor" });
    expect(processor.config).toMatchObject({ maxPixels: 12845056, patchSize: 14, mergeSize: 2 });
  });

  it("repeats a picture's rows for both frames of a patch", () => {
    const { pixelValues } = new Qwen2VLImageProcessor().preprocess(picture(56, 56));
    expect(pixelValues.shape).toEqual([16, 2 * 3 * 14 * 14]);
    expect(new Set(pixelValues.data.subarray(0, 2 * 14 * 14)).size).toBe(1);
  });

  it("refuses pictures that are far longer than wide", () => {
    expect(() => new Qwen2VLImageProcessor().preprocess(picture(402, 2))).toThrow("at most 200 times as long");
  });
});
