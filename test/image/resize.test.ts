import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { GrayPicture } from "../../src/image/gray-picture.js";
import { type Box, type Resampling, resize } from "../../src/image/resize.js";
import { resizeTensorNearest } from "../../src/image/resize-tensor.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "./pictures-of.js";

interface Case {
  readonly kind: "resize" | "blur" | "gray";
  readonly resampling: Resampling;
  readonly box: Box | null;
}
const { meta, tensor } = readFixture<{ cases: Case[] }>("image", "pillow");
const cases = meta.cases.flatMap((entry, i) => {
  if (entry.kind !== "resize") return [];
  const [height = 0, width = 0] = tensor(`${i}.out`).shape;
  const [fromHeight, fromWidth] = tensor(`${i}.image`).shape;
  return [{ i, ...entry, height, width, from: `${fromWidth}x${fromHeight}`, part: entry.box ? ` of ${entry.box}` : "" }];
});

describe("resize", () => {
  it.each(cases)("gives Pillow's bytes: $resampling from $from$part to $width x $height", ({ i, resampling, box, width, height }) => {
    const resized = resize(pictureOf(tensor(`${i}.image`)), width, height, { resampling, ...(box && { box }) });
    expect(resized).toEqual(pictureOf(tensor(`${i}.out`)));
  });

  it("does not change its input", () => {
    const picture = new GrayPicture(2, 1, Uint8Array.of(1, 2));
    resize(picture, 2, 1).data[0] = 9;
    expect(picture.data[0]).toBe(1);
  });

  it("refuses a size without pixels", () => {
    expect(() => resize(new GrayPicture(1, 1, Uint8Array.of(1)), 0, 4)).toThrow(
      new ArgumentError("width is 0; expected a whole number, at least 1", { argument: "width" }),
    );
  });

  it("refuses a box outside the picture", () => {
    expect(() => resize(new GrayPicture(1, 1, Uint8Array.of(1)), 1, 1, { box: [0, 0, 2, 1] })).toThrow(ArgumentError);
  });
});

describe("resizeTensorNearest", () => {
  it("takes the value to the left and above, as torch does", () => {
    const resized = resizeTensorNearest(Tensor.from([1, 2, 3, 4, 5, 6], [1, 1, 2, 3]), 3, 2);
    expect(resized.toArray()).toEqual([1, 2, 1, 2, 4, 5]);
  });
});
