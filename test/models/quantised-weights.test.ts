import { readdirSync, utimesSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
import { ZImageTransformer2DModel } from "../../src/models/z-image-transformer.js";
import { openFolder, openWeightCache } from "../../src/platform/node/platform.js";
import { dequantise } from "../../src/tensor/dequantise.js";
import { quantiseQ4, quantiseQ8 } from "../../src/tensor/quantise.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { temporaryFolder } from "../helpers/temporary.js";

const SOURCE = "test/checkpoints/z-image-mini/transformer";

describe("quantize", () => {
  const { DARKROOM_CACHE } = process.env;
  let cache: string;
  beforeEach(() => {
    cache = temporaryFolder();
    process.env.DARKROOM_CACHE = cache;
  });
  afterEach(() => {
    if (DARKROOM_CACHE === undefined) delete process.env.DARKROOM_CACHE;
    else process.env.DARKROOM_CACHE = DARKROOM_CACHE;
  });
  const files = () => readdirSync(join(cache, "quantised"));

  async function predict(source: string, quantize?: "q4" | "q8"): Promise<Tensor> {
    await using model = await ZImageTransformer2DModel.fromPretrained(source, { device: "cpu", quantize });
    const { capFeatDim, inChannels } = model.config;
    const x = randn([1, inChannels, 8, 8], new Generator(1));
    return (await model.forward(x, 0.4, { capFeats: [randn([9, capFeatDim], new Generator(2))] })).sample;
  }

  /** The root mean square of the difference, against that of the exact result. */
  function distance(a: Tensor, b: Tensor): number {
    const power = ({ data }: Tensor) => data.reduce((sum, value) => sum + value ** 2, 0);
    return Math.sqrt(power(a.sub(b)) / power(b));
  }

  it("computes nearly the same in 8 bits, and less nearly in 4", async () => {
    const exact = await predict(SOURCE);
    const [eight, four] = [distance(await predict(SOURCE, "q8"), exact), distance(await predict(SOURCE, "q4"), exact)];
    expect(eight).toBeGreaterThan(0);
    expect(eight).toBeLessThan(0.02);
    expect(four).toBeGreaterThan(eight);
    expect(four).toBeLessThan(0.3);
  });

  it("keeps the weights in the cache, and makes them again only for another file or format", async () => {
    const copy = join(temporaryFolder(), "transformer");
    await cp(SOURCE, copy, { recursive: true });
    await predict(copy, "q8");
    const [first] = await openWeightCache().list();
    await predict(copy, "q8");
    expect(await openWeightCache().list()).toEqual([first]);
    await predict(copy, "q4");
    expect(files()).toHaveLength(2);
    for (const file of readdirSync(copy)) utimesSync(join(copy, file), 1, 1);
    await predict(copy, "q8");
    expect(files()).toHaveLength(3);
    expect(await openWeightCache().remove(first?.name ?? "")).toBe(first?.size);
    expect(files()).toHaveLength(2);
    expect(await openWeightCache().remove("../none.gguf")).toBeUndefined();
  });

  it("leaves norms, embeddings, first and last layers as they are", async () => {
    await predict(SOURCE, "q8");
    const [name = ""] = files();
    const { tensors } = await readGgufHeader(openFolder(join(cache, "quantised")), name);
    const names = [...tensors.keys()];
    expect(names).toContain("layers.0.attention.to_q.weight");
    expect(names.filter((each) => /norm|embed|final|pad/.test(each))).toEqual([]);
  });

  it.each([
    [quantiseQ8, "Q8_0", 0.006],
    [quantiseQ4, "Q4_0", 0.09],
  ] as const)("quantised blocks stand for nearly the same numbers, zeros for zeros", (quantise, format, most) => {
    const numbers = randn([4096], new Generator(5)).data;
    numbers.fill(0, 64, 96);
    const back = dequantise(format, quantise(numbers));
    const error = Math.sqrt(numbers.reduce((sum, value, i) => sum + (value - (back[i] as number)) ** 2, 0) / numbers.length);
    expect(error).toBeLessThan(most);
    expect([...back.subarray(64, 96)].every((value) => value === 0)).toBe(true);
  });
});
