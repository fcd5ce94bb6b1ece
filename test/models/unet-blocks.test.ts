import { describe, expect, it } from "vitest";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { opened } from "../cli/pictures.js";
import { changedPart } from "../helpers/checkpoints.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const device = "cpu";
const open = (name: string, options = {}) =>
  opened(UNet2DConditionModel.fromPretrained(checkpoint(`options/unet-${name}`), { device, ...options }));

describe("UNet2DConditionModel", () => {
  it.each([
    ["attention to pixels and text at once, the text in the time embedding, resnet blocks that change the size", "blocks-simple"],
    ["attention to the text alone but in the middle, a norm of the text, heads of other widths in each block", "blocks-only-text"],
    ["attention to pixels alone beside transformers", "blocks-pixels"],
    ["attention to the text alone in some blocks, scaled sums", "blocks-mixed"],
    ["K blocks of odd widths, with a norm at the end", "k-odd"],
    ["K blocks without attention, with classes", "k-plain"],
  ])("knows %s", async (_, name) => {
    const { meta, tensor } = readFixture("models", `unet_${name.replaceAll("-", "_")}`);
    const find = (key: string) => {
      try {
        return tensor(key) as Tensor;
      } catch {
        return undefined;
      }
    };
    const inputs = {
      encoderHiddenStates: tensor("encoder_hidden_states") as Tensor,
      classLabels: find("class_labels"),
      timestepCond: find("timestep_cond"),
    };
    const { timestep } = meta as { timestep: number };
    const sample = tensor("sample") as Tensor;
    expectClose((await (await open(name)).forward(sample, timestep, inputs)).sample, tensor("out"));
    expectClose((await (await open(name, { lowMemory: true })).forward(sample, timestep, inputs)).sample, tensor("out"));
  });

  it.each(["blocks-only-text", "blocks-pixels", "blocks-mixed"])("predicts for several texts at once: %s", async (name) => {
    const unet = await open(name);
    const draw = (seed: number, ...shape: number[]) => randn(shape, new Generator(seed));
    const [sample, texts] = [draw(1, 1, 4, 8, 8), [draw(2, 1, 5, 16), draw(3, 1, 5, 16)]];
    const alone = await Promise.all(texts.map((encoderHiddenStates) => unet.forward(sample, 7, { encoderHiddenStates })));
    const both = await unet.forward(sample, 7, { encoderHiddenStates: concat(texts) });
    expectClose(both.sample, concat(alone.map(({ sample }) => sample)), 1e-5);
  });

  it("refuses heads that do not fill the channels, and sizes for a network that pools the text itself", async () => {
    const changed = changedPart("options/unet-blocks-mixed", { config: { attention_head_dim: 3 } });
    const unet = await opened(UNet2DConditionModel.fromPretrained(changed, { device }));
    const [sample, encoderHiddenStates] = [Tensor.zeros([1, 4, 4, 4]), Tensor.zeros([1, 5, 16])];
    await expect(unet.forward(sample, 1, { encoderHiddenStates })).rejects.toThrow(/attention_head_dim is 3; the 8 channels/);
    const pooling = await open("blocks-only-text");
    const addedCond = { textEmbeds: Tensor.zeros([1, 4]), timeIds: Tensor.zeros([1, 6]) };
    await expect(pooling.forward(sample, 1, { encoderHiddenStates, addedCond })).rejects.toThrow(/takes no addedCond/);
  });
});
