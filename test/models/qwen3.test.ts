import { describe, expect, it } from "vitest";
import { Qwen3Model } from "../../src/models/qwen3.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { changedPart, type Tensors } from "../helpers/checkpoints.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";

const part = "z-image-mini/text_encoder";
const int64 = (rows: readonly (readonly number[])[]) =>
  new Tensor("int64", [rows.length, rows[0]?.length ?? 0], BigInt64Array.from(rows.flat(), BigInt));
const ids = int64([
  [5, 6, 7, 8, 9],
  [10, 11, 0, 0, 0],
]);
const attentionMask = int64([
  [1, 1, 1, 1, 1],
  [1, 1, 0, 0, 0],
]);
const open = (folder: string) => Qwen3Model.fromPretrained(folder, { device: "cpu" });

describe("a language model", () => {
  it("gives the hidden states that are asked for, counted from either end", async () => {
    await using model = await open(checkpoint(part));
    const { lastHiddenState, hiddenStates = [] } = await model.forward(ids, { attentionMask, outputHiddenStates: true });
    expect(hiddenStates).toHaveLength(4);
    expect(hiddenStates.at(-1)).toEqual(lastHiddenState);
    const [second, penultimate, last] = await model.hiddenStates(ids, [1, -2, 3], { attentionMask });
    expect(second).toEqual(hiddenStates[1]);
    expect(penultimate).toEqual(hiddenStates[2]);
    expect(last).toEqual(lastHiddenState);
  });

  it("needs no weights of layers above those asked for", async () => {
    const without = (tensors: Tensors) =>
      Object.fromEntries(Object.entries(tensors).filter(([name]) => !/layers\.2\.|model\.norm/.test(name)));
    await using model = await open(changedPart(part, { weights: without }));
    expect(await model.hiddenStates(ids, [-2])).toHaveLength(1);
    await expect(model.forward(ids)).rejects.toThrow("layers.2.");
  });

  it("gives a text the same features whatever padding follows it", async () => {
    await using model = await open(checkpoint(part));
    const [padded] = await model.hiddenStates(ids, [-1], { attentionMask });
    const [alone] = await model.hiddenStates(int64([[10, 11]]), [-1]);
    const own = Tensor.from((padded as Tensor).data.slice(5 * 24, 7 * 24), [1, 2, 24]);
    expectClose(own, alone as Tensor, 1e-5);
  });

  it("opens files of the decoder alone, whose names have no prefix", async () => {
    const bare = (tensors: Tensors) =>
      Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name.replace(/^model\./, ""), tensor]));
    await using whole = await open(checkpoint(part));
    await using model = await open(changedPart(part, { weights: bare }));
    expect(await model.forward(ids)).toEqual(await whole.forward(ids));
  });

  it("refuses ids outside the vocabulary, masks of another shape, and layers that it does not have", async () => {
    await using model = await open(checkpoint(part));
    await expect(model.forward(int64([[5, 1024]]))).rejects.toThrow("token 1024 is not in the text encoder's vocabulary of 1024");
    await expect(model.forward(ids, { attentionMask: int64([[1, 1]]) })).rejects.toThrow("attentionMask is [1, 2]; expected [2, 5]");
    await expect(model.hiddenStates(ids, [4])).rejects.toThrow("layers is 4; expected whole numbers from -4 to 3");
  });

  it("reads the base of its rotary embedding from configs of transformers 4 and 5, and refuses other kinds", async () => {
    const config = (change: object) => changedPart(part, { config: { ...change } });
    await using v4 = await open(checkpoint(part));
    await using v5 = await open(config({ rope_theta: undefined, rope_parameters: { rope_theta: 1000000, rope_type: "default" } }));
    expect(await v5.forward(ids)).toEqual(await v4.forward(ids));
    await expect(open(config({ rope_scaling: { rope_type: "yarn", factor: 4 } }))).rejects.toThrow('rope_scaling.rope_type is "yarn"');
    await expect(open(config({ use_sliding_window: true }))).rejects.toThrow("use_sliding_window is true");
    await expect(open(config({ num_key_value_heads: 3 }))).rejects.toThrow("expected a multiple of num_key_value_heads, 3");
  });
});
