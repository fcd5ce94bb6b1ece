import { describe, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import type { Picture } from "../../src/image/picture.js";
import { expectClose } from "../helpers/differences.js";
import { readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "./pictures-of.js";

const { meta, tensor } = readFixture<{ cases: { config: JsonObject }[] }>("image", "clip-image-processor");

describe("CLIPImageProcessor", () => {
  it.each(meta.cases.map(({ config }, i) => ({ i, config, size: tensor(`${i}.image`).shape.slice(0, 2).reverse().join("x") })))(
    "gives transformers' numbers for a picture of $size, case $i",
    ({ i, config }) => {
      const processor = new CLIPImageProcessor(camelCaseKeys(config));
      expectClose(processor.preprocess(pictureOf(tensor(`${i}.image`)) as Picture), tensor(`${i}.out`), 0);
    },
  );

  it("reads the old form, one number for each size", () => {
    const old = new CLIPImageProcessor({ size: 32, cropSize: 32 });
    expectClose(old.preprocess(pictureOf(tensor("0.image")) as Picture), tensor("0.out"), 0);
  });
});
