import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import type { FinishedGraph } from "../../src/graph/finished-graph.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, rand, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { onnxText } from "../helpers/graphs.js";

const generator = new Generator(3);
const sample = randn([1, 4, 16, 16], generator);
const texts = { encoderHiddenStates: randn([2, 7, 32], generator) };
const BRANCHES = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Three levels of two layers, as DeepCache numbers them. */
const openUNet = (engine: Engine) => UNet2DConditionModel.fromPretrained(checkpoint("options/unet-two-layers"), { engine });

describe("a UNet with a deep feature", () => {
  let engine: Engine;
  let unet: UNet2DConditionModel;
  const graphs: FinishedGraph[] = [];
  beforeAll(async () => {
    const real = await createEngine({ device: "cpu" });
    engine = {
      device: real.device,
      capabilities: real.capabilities,
      load: (graph, options) => {
        graphs.push(graph);
        return real.load(graph, options);
      },
      dispose: () => real.dispose(),
    };
    unet = await openUNet(engine);
  });
  afterAll(async () => {
    await unet.dispose();
    await engine.dispose();
  });

  it("has three branches for each level", () => {
    expect(unet.cacheBranches).toBe(BRANCHES.length);
  });

  it.each(BRANCHES)("of the same step predicts the same as the whole UNet, at branch %d", async (cacheBranch) => {
    const whole = await unet.forward(sample, 500, { ...texts, cacheBranch });
    const shallow = await unet.forward(sample, 500, { ...texts, cacheBranch, deepFeature: whole.deepFeature });
    expect(largestDifference(whole.sample, (await unet.forward(sample, 500, texts)).sample)).toBeLessThan(1e-5);
    expect(largestDifference(shallow.sample, whole.sample)).toBeLessThan(1e-5);
  });

  it("of another step predicts something else", async () => {
    const { deepFeature } = await unet.forward(sample, 900, { ...texts, cacheBranch: 0 });
    const { sample: shallow } = await unet.forward(sample, 500, { ...texts, cacheBranch: 0, deepFeature });
    expect(largestDifference(shallow, (await unet.forward(sample, 500, texts)).sample)).toBeGreaterThan(1e-3);
  });

  it("computes less if the branch is shallower, and never the middle block", async () => {
    const sizes: number[] = [];
    for (const cacheBranch of [0, 4, 8]) {
      const { deepFeature } = await unet.forward(sample, 500, { ...texts, cacheBranch });
      await unet.forward(sample, 500, { ...texts, cacheBranch, deepFeature });
      const names = await onnxText(graphs.at(-1) as FinishedGraph);
      sizes.push(names.length);
      expect(names).not.toContain("mid_block");
      if (cacheBranch === 0) expect(names).not.toContain("down_blocks");
      expect(names).toContain("up_blocks.2.resnets.2");
      await unet.unload();
    }
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
  });

  it("returns it unchanged, and empties the tensor that was handed over", async () => {
    const { deepFeature } = await unet.forward(sample, 500, { ...texts, cacheBranch: 4 });
    const before = deepFeature?.toArray();
    const { deepFeature: after } = await unet.forward(sample, 400, { ...texts, cacheBranch: 4, deepFeature });
    expect(after?.toArray()).toEqual(before);
    expect(deepFeature?.data.length).toBe(0);
    const again = unet.forward(sample, 300, { ...texts, cacheBranch: 4, deepFeature });
    await expect(again).rejects.toThrow(/^this deepFeature was handed over to another pass$/);
  });

  it("needs the branch that the feature belongs to", async () => {
    const { deepFeature } = await unet.forward(sample, 500, { ...texts, cacheBranch: 4 });
    await expect(unet.forward(sample, 500, { ...texts, deepFeature })).rejects.toThrow(/deepFeature.*without the cacheBranch/);
  });

  it.each([-1, 9, 0.5, Number.NaN])("has no branch %d", async (cacheBranch) => {
    const message = `cacheBranch is ${cacheBranch}; expected a whole number from 0 to 8`;
    await expect(unet.forward(sample, 500, { ...texts, cacheBranch })).rejects.toThrow(
      new ArgumentError(message, { argument: "cacheBranch" }),
    );
  });

  it("uses only a ControlNet's residuals above the cut; the feature includes the others", async () => {
    const shapes = [8, 8, 8, 8, 16, 16, 16, 24, 24].map((channels, i) => [2, channels, 16 >> Math.floor(i / 3), 16 >> Math.floor(i / 3)]);
    const control = {
      downBlockAdditionalResiduals: shapes.map((shape) => randn(shape, generator)),
      midBlockAdditionalResidual: randn([2, 24, 4, 4], generator),
    };
    const whole = await unet.forward(sample, 500, { ...texts, ...control, cacheBranch: 3 });
    const last = { ...control, midBlockAdditionalResidual: control.midBlockAdditionalResidual.mul(2) };
    const shallow = await unet.forward(sample, 500, { ...texts, ...last, cacheBranch: 3, deepFeature: whole.deepFeature });
    expect(largestDifference(shallow.sample, whole.sample)).toBeLessThan(1e-5);
    expect(largestDifference(shallow.sample, (await unet.forward(sample, 500, texts)).sample)).toBeGreaterThan(1e-2);
  });

  it("of XL uses sizes and pooled texts in its shallow part, too", async () => {
    const xl = await UNet2DConditionModel.fromPretrained(checkpoint("sdxl-base-mini"), { subfolder: "unet", engine });
    const addedCond = { textEmbeds: randn([2, 24], generator), timeIds: rand([2, 6], generator).mul(64) };
    const inputs = { encoderHiddenStates: randn([2, 7, 64], generator), addedCond, cacheBranch: 0 };
    const whole = await xl.forward(sample, 500, inputs);
    const other = { ...addedCond, timeIds: addedCond.timeIds.mul(2) };
    const predict = async (change: { addedCond?: typeof addedCond }, deepFeature: Tensor | undefined) =>
      xl.forward(sample, 500, { ...inputs, ...change, deepFeature });
    const shallow = await predict({}, whole.deepFeature);
    expect(largestDifference(shallow.sample, whole.sample)).toBeLessThan(1e-5);
    const changed = await predict({ addedCond: other }, shallow.deepFeature);
    expect(largestDifference(changed.sample, whole.sample)).toBeGreaterThan(1e-4);
    await xl.dispose();
  });
});
