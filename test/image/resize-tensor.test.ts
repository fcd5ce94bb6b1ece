import { describe, it } from "vitest";
import { latentWay } from "../../src/generate/enlarge.js";
import type { HiresUpscaler } from "../../src/generate/hires-request.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { readFixture } from "../helpers/fixtures.js";

const { meta, tensor } = readFixture<{ cases: { upscaler: HiresUpscaler; height: number; width: number; key: string }[] }>(
  "hires",
  "latents",
);

describe("latents made larger", () => {
  it.each(meta.cases)("as torch's interpolate does: $key", ({ upscaler, height, width, key }) => {
    const large = latentWay(upscaler)?.(tensor("latents") as Tensor, height, width);
    expectClose(large as Tensor, tensor(key), 1e-5);
  });
});
