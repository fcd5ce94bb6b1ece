import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { ChromaTransformer2DModel } from "../../src/models/chroma-transformer-2d.js";
import { FluxTransformer2DModel } from "../../src/models/flux-transformer-2d.js";
import { SD3Transformer2DModel } from "../../src/models/sd3-transformer-2d.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { changedPart } from "../helpers/checkpoints.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";

// What they compute is in test/fixtures/models.

const draw = (seed: number, ...shape: number[]) => randn(shape, new Generator(seed));
const twice = (x: Tensor) => concat([x, x]);
const tokens = {
  encoderHiddenStates: draw(1, 1, 5, 48),
  imgIds: Tensor.from([0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1], [4, 3]),
  txtIds: Tensor.zeros([5, 3]),
};
const packed = draw(2, 1, 4, 64);

describe("FLUX.1's transformer", () => {
  let transformer: FluxTransformer2DModel;
  beforeAll(async () => {
    transformer = await FluxTransformer2DModel.fromPretrained(checkpoint("flux-dev-mini/transformer"));
  });
  afterAll(() => transformer.dispose());
  const inputs = { ...tokens, pooledProjections: draw(3, 1, 16), guidance: 3.5 };

  it("takes one timestep and guidance for all pictures, or one for each", async () => {
    const one = await transformer.forward(packed, 0.5, inputs);
    const both = await transformer.forward(twice(packed), Tensor.from([0.5, 0.5]), {
      ...inputs,
      encoderHiddenStates: twice(inputs.encoderHiddenStates),
      pooledProjections: twice(inputs.pooledProjections),
      guidance: Tensor.from([3.5, 3.5]),
    });
    expect(largestDifference(both.sample, twice(one.sample))).toBeLessThan(1e-5);
  });

  it("predicts for copies of the pictures if there are more texts, in low memory one after another", async () => {
    const texts = concat([inputs.encoderHiddenStates, draw(10, 1, 5, 48)]);
    const pooled = twice(inputs.pooledProjections);
    const both = await transformer.forward(packed, 0.5, { ...inputs, encoderHiddenStates: texts, pooledProjections: pooled });
    const { sample } = await transformer.forward(packed, 0.5, inputs);
    expect(largestDifference(both.sample.slice(0, 1), sample)).toBeLessThan(1e-5);
    await using small = await FluxTransformer2DModel.fromPretrained(checkpoint("flux-dev-mini/transformer"), { lowMemory: true });
    const inTurn = await small.forward(packed, 0.5, { ...inputs, encoderHiddenStates: texts, pooledProjections: pooled });
    expect(largestDifference(inTurn.sample, both.sample)).toBeLessThan(1e-5);
  });

  it("has other tables for positions of the same number", async () => {
    const { sample } = await transformer.forward(packed, 0.5, inputs);
    const moved = await transformer.forward(packed, 0.5, { ...inputs, imgIds: inputs.imgIds.mul(3) });
    const again = await transformer.forward(packed, 0.5, inputs);
    expect(largestDifference(moved.sample, sample)).toBeGreaterThan(1e-4);
    expect(again.sample.data).toEqual(sample.data);
  });

  it("refuses guidance that it does not have, and no guidance where it needs it", async () => {
    await expect(transformer.forward(packed, 0.5, { ...inputs, guidance: undefined })).rejects.toThrow("needs guidance");
    await using schnell = await FluxTransformer2DModel.fromPretrained(checkpoint("flux-schnell-mini/transformer"));
    await expect(schnell.forward(packed, 0.5, inputs)).rejects.toThrow("takes no guidance");
  });

  it("refuses inputs of wrong shapes by name", async () => {
    const wrong = { imgIds: Tensor.zeros([3, 3]), txtIds: Tensor.zeros([5, 4]), pooledProjections: draw(4, 2, 16) };
    for (const [name, value] of Object.entries(wrong)) {
      const call = transformer.forward(packed, 0.5, { ...inputs, [name]: value });
      await expect(call).rejects.toThrow(ArgumentError);
      await expect(call).rejects.toThrow(name);
    }
  });

  it("refuses axes that do not fill a head", async () => {
    const folder = changedPart("flux-dev-mini/transformer", { config: { axes_dims_rope: [4, 6, 4] } });
    await expect(FluxTransformer2DModel.fromPretrained(folder)).rejects.toThrow(ConfigError);
    await expect(FluxTransformer2DModel.fromPretrained(folder)).rejects.toThrow("axes_dims_rope is [4, 6, 4]");
  });
});

describe("Chroma's transformer", () => {
  it("adds the product of two tokens' weights to their score, so that equal weights change nothing", async () => {
    await using transformer = await ChromaTransformer2DModel.fromPretrained(checkpoint("chroma-mini/transformer"));
    const { sample } = await transformer.forward(packed, 0.5, tokens);
    const forMask = async (mask: readonly number[]) =>
      largestDifference((await transformer.forward(packed, 0.5, { ...tokens, attentionMask: Tensor.from(mask, [1, 9]) })).sample, sample);
    expect(await forMask([1, 1, 1, 1, 1, 1, 1, 1, 1])).toBeLessThan(1e-5);
    expect(await forMask([1, 1, 0, 0, 0, 1, 1, 1, 1])).toBeGreaterThan(1e-4);
    await expect(forMask([1, 1, 1, 1])).rejects.toThrow(ArgumentError);
  });
});

describe("Stable Diffusion 3's transformer", () => {
  let transformer: SD3Transformer2DModel;
  beforeAll(async () => {
    transformer = await SD3Transformer2DModel.fromPretrained(checkpoint("sd35-mini/transformer"));
  });
  afterAll(() => transformer.dispose());
  const inputs = { encoderHiddenStates: draw(5, 1, 7, 48), pooledProjections: draw(6, 1, 28) };

  it("leaves out rows and columns that fill no token", async () => {
    const latents = draw(7, 1, 16, 9, 12);
    const { sample } = await transformer.forward(latents, 500, inputs);
    expect(sample.shape).toEqual([1, 16, 8, 12]);
  });

  it("refuses latents beyond its table of positions", async () => {
    expect((await transformer.forward(draw(8, 1, 16, 48, 2), 500, inputs)).sample.shape).toEqual([1, 16, 48, 2]);
    await expect(transformer.forward(draw(8, 1, 16, 50, 2), 500, inputs)).rejects.toThrow("sides from 2 to 48");
  });

  it("refuses to leave out blocks that it does not have", async () => {
    const latents = draw(9, 1, 16, 4, 4);
    await expect(transformer.forward(latents, 500, { ...inputs, skipLayers: [3] })).rejects.toThrow("blocks 0 to 2");
    const none = await transformer.forward(latents, 500, { ...inputs, skipLayers: [] });
    expect(none.sample.data).toEqual((await transformer.forward(latents, 500, inputs)).sample.data);
  });
});
