import { describe, expect, it } from "vitest";
import { canny, GrayPicture, Picture } from "../../src/index.js";
import { readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "./pictures-of.js";

const { meta, tensor } = readFixture<{ cases: { low_threshold: number; high_threshold: number }[] }>("image", "canny");

describe("canny", () => {
  it("takes the smaller threshold as the low one, as OpenCV does", () => {
    const picture = pictureOf(tensor("picture.0"));
    expect(canny(picture, { lowThreshold: 200, highThreshold: 100 })).toEqual(canny(picture, { lowThreshold: 100, highThreshold: 200 }));
  });

  it.each(meta.cases.map((each, i) => ({ ...each, i })))(
    "gives OpenCV's bytes: thresholds $low_threshold and $high_threshold",
    ({ i, low_threshold: lowThreshold, high_threshold: highThreshold }) => {
      expect(canny(pictureOf(tensor(`picture.${i}`)), { lowThreshold, highThreshold })).toEqual(pictureOf(tensor(`edges.${i}`)));
    },
  );

  it("has OpenCV's usual thresholds, 100 and 200, by default", () => {
    const picture = pictureOf(tensor("picture.0"));
    expect(canny(picture)).toEqual(pictureOf(tensor("edges.0")));
  });

  it("finds nothing in a plain picture", () => {
    expect(canny(new Picture(3, 2, new Uint8Array(18).fill(9)))).toEqual(new GrayPicture(3, 2, new Uint8Array(6)));
  });

  it.each([
    [{ lowThreshold: -1 }, /lowThreshold is -1/],
    [{ threshold: 1 }, /threshold/],
  ])("refuses %j", (options, message) => {
    expect(() => canny(new Picture(1, 1, new Uint8Array(3)), options as object)).toThrow(message);
  });
});
