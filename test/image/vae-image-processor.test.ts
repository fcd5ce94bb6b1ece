import { describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { ArgumentError } from "../../src/errors.js";
import { GrayPicture, toRgb } from "../../src/image/gray-picture.js";
import { Picture } from "../../src/image/picture.js";
import type { Box } from "../../src/image/resize.js";
import {
  cropRegion,
  type PreprocessOptions,
  VaeImageProcessor,
  type VaeImageProcessorOptions,
} from "../../src/image/vae-image-processor.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "./pictures-of.js";

interface Case {
  readonly kind: "preprocess" | "crop_region" | "blur" | "overlay";
  readonly config: JsonObject;
  readonly call: JsonObject;
  readonly width: number;
  readonly height: number;
  readonly pad: number;
  readonly region: Box;
  readonly factor: number;
  readonly crop_coords: Box | null;
}
const { meta, tensor } = readFixture<{ cases: Case[] }>("image", "vae-image-processor");
const of = (kind: Case["kind"]) => meta.cases.flatMap((entry, i) => (entry.kind === kind ? [{ i, ...entry }] : []));
const find = (name: string) => {
  try {
    return tensor(name);
  } catch {
    return undefined;
  }
};
const summary = ({ config, call }: Case) => JSON.stringify({ ...config, ...call });

describe("VaeImageProcessor.preprocess", () => {
  it.each(of("preprocess").map((entry) => ({ ...entry, summary: summary(entry) })))(
    "gives diffusers' numbers: $summary, case $i",
    (entry) => {
      const { i, config, call } = entry;
      const processor = new VaeImageProcessor(camelCaseKeys(config) as VaeImageProcessorOptions);
      const pictures = ["image", "image2"].flatMap((name) => find(`${i}.${name}`) ?? []).map(pictureOf);
      const input = pictures.length > 0 ? pictures : [tensor(`${i}.tensor`) as Tensor];
      expectClose(processor.preprocess(input, camelCaseKeys(call) as PreprocessOptions), tensor(`${i}.out`), 0);
    },
  );

  it("refuses a picture that is smaller than one latent", () => {
    const picture = (width: number, height: number) => new Picture(width, height, new Uint8Array(3 * width * height));
    const processor = new VaeImageProcessor({ vaeScaleFactor: 8 });
    expect(() => processor.preprocess(picture(1, 1))).toThrow("the image is 1x1 pixels; expected at least 8x8");
    expect(() => processor.preprocess(picture(64, 7))).toThrow("the image is 64x7 pixels; expected at least 8x8");
    expect(processor.preprocess(picture(9, 15)).shape).toEqual([1, 3, 8, 8]);
    // If a size is given, the picture is enlarged, as in Python.
    expect(processor.preprocess(picture(1, 1), { height: 16, width: 24 }).shape).toEqual([1, 3, 16, 24]);
  });

  it("refuses pictures and tensors together", () => {
    const mixed = [new GrayPicture(1, 1, Uint8Array.of(0)), Tensor.zeros([1, 1, 1, 1])];
    expect(() => new VaeImageProcessor().preprocess(mixed)).toThrow(ArgumentError);
  });

  it("refuses to fit a tensor in", () => {
    expect(() => new VaeImageProcessor().preprocess(Tensor.zeros([1, 3, 8, 8]), { resizeMode: "fill" })).toThrow(
      new ArgumentError("resizeMode fill applies to pictures; tensors can only be stretched", { argument: "resizeMode" }),
    );
  });
});

describe("cropRegion", () => {
  it.each(of("crop_region"))(
    "finds diffusers' rectangle $region for $width x $height, padded by $pad",
    ({ i, width, height, pad, region }) => {
      expect(cropRegion(pictureOf(tensor(`${i}.mask`)), width, height, pad)).toEqual(region);
    },
  );

  it("refuses a mask that is all black", () => {
    expect(() => cropRegion(new GrayPicture(2, 2, new Uint8Array(4)), 8, 8)).toThrow(
      new ArgumentError("the mask is black everywhere; there is nothing to paint", { argument: "maskImage" }),
    );
  });
});

describe("VaeImageProcessor.blur", () => {
  it.each(of("blur"))("softens a mask as diffusers does: factor $factor", ({ i, factor }) => {
    expect(new VaeImageProcessor().blur(pictureOf(tensor(`${i}.image`)), factor)).toEqual(pictureOf(tensor(`${i}.out`)));
  });
});

describe("VaeImageProcessor.applyOverlay", () => {
  it.each(of("overlay"))("gives diffusers' bytes: case $i, rectangle $crop_coords", ({ i, crop_coords }) => {
    const [mask, init, image] = ["mask", "init", "image"].map((name) => pictureOf(tensor(`${i}.${name}`))) as [Picture, Picture, Picture];
    const result = new VaeImageProcessor().applyOverlay(mask, init, image, crop_coords ?? undefined);
    expect(result).toEqual(pictureOf(tensor(`${i}.out`)));
  });

  it("refuses a mask of another size", () => {
    const picture = toRgb(new GrayPicture(2, 2, new Uint8Array(4)));
    expect(() => new VaeImageProcessor().applyOverlay(new GrayPicture(1, 2, new Uint8Array(2)), picture, picture)).toThrow(
      new ArgumentError("the mask picture is 1x2; expected 2x2, the size of the picture under it"),
    );
  });
});
