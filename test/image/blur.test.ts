import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { gaussianBlur } from "../../src/image/blur.js";
import { GrayPicture, toGray, toRgb } from "../../src/image/gray-picture.js";
import { readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "./pictures-of.js";

const { meta, tensor } = readFixture<{ cases: { kind: string; radius: number }[] }>("image", "pillow");
const of = (kind: string) => meta.cases.flatMap((entry, i) => (entry.kind === kind ? [{ i, ...entry }] : []));

describe("gaussianBlur", () => {
  it.each(of("blur"))("gives Pillow's bytes: radius $radius", ({ i, radius }) => {
    expect(gaussianBlur(pictureOf(tensor(`${i}.image`)), radius)).toEqual(pictureOf(tensor(`${i}.out`)));
  });

  it("refuses a negative radius", () => {
    expect(() => gaussianBlur(new GrayPicture(1, 1, Uint8Array.of(1)), -1)).toThrow(ArgumentError);
  });
});

describe("toGray", () => {
  it.each(of("gray"))("gives Pillow's bytes", ({ i }) => {
    expect(toGray(pictureOf(tensor(`${i}.image`)))).toEqual(pictureOf(tensor(`${i}.out`)));
  });

  it("gives the gray values of a picture made from them", () => {
    const gray = new GrayPicture(
      256,
      1,
      Uint8Array.from({ length: 256 }, (_, i) => i),
    );
    expect(toGray(toRgb(gray))).toEqual(gray);
  });
});
