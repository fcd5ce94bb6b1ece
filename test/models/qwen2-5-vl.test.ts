import { describe, expect, it } from "vitest";
import { Qwen2_5_VLForConditionalGeneration as QwenVL } from "../../src/models/qwen2-5-vl.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { changedPart, type Tensors } from "../helpers/checkpoints.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";

const part = "qwen-image-edit-mini/text_encoder";
const int64 = (rows: readonly (readonly number[])[]) =>
  new Tensor("int64", [rows.length, rows[0]?.length ?? 0], BigInt64Array.from(rows.flat(), BigInt));
const open = (folder: string) => QwenVL.fromPretrained(folder, { device: "cpu" });
const IMAGE = 951;
// A picture of 8 x 4 patches has 8 tokens.
const grid = int64([[1, 8, 4]]);
const patches = Tensor.from(
  Float32Array.from({ length: 32 * 1176 }, (_, i) => Math.sin(i)),
  [32, 1176],
);
const ids = int64([[5, ...Array.from({ length: 8 }, () => IMAGE), 6, 7]]);

describe("Qwen2.5-VL", () => {
  it("takes features of pictures made before, for each text of a batch", async () => {
    await using model = await open(checkpoint(part));
    const imageEmbeds = await model.imageFeatures(patches, grid);
    expect(imageEmbeds.shape).toEqual([8, 32]);
    const { lastHiddenState } = await model.forward(ids, { pixelValues: patches, imageGridThw: grid });
    expectClose((await model.forward(ids, { imageEmbeds })).lastHiddenState, lastHiddenState, 1e-5);
    const [last] = await model.hiddenStates(ids, [-1], { imageEmbeds });
    expectClose(last as Tensor, lastHiddenState, 1e-5);
  });

  it("gives a picture's tokens the positions of rows and columns only if it is told which they are", async () => {
    await using model = await open(checkpoint(part));
    const imageEmbeds = await model.imageFeatures(patches, grid);
    const mmTokenTypeIds = int64([Array.from(ids.data, (id) => Number(id === BigInt(IMAGE)))]);
    const plain = await model.forward(ids, { imageEmbeds });
    const turned = await model.forward(ids, { imageEmbeds, imageGridThw: grid, mmTokenTypeIds });
    expect(turned.lastHiddenState).not.toEqual(plain.lastHiddenState);
    const text = int64([[5, 6, 7]]);
    const zeros = { mmTokenTypeIds: int64([[0, 0, 0]]), imageGridThw: grid };
    expect(await model.forward(text, zeros)).toEqual(await model.forward(text));
  });

  it("refuses pictures that do not fit the text or their grid", async () => {
    await using model = await open(checkpoint(part));
    const pixelValues = patches;
    await expect(model.forward(int64([[5, IMAGE]]), { pixelValues, imageGridThw: grid })).rejects.toThrow(
      "the text has 1 tokens for pictures; the pictures have 8",
    );
    await expect(model.forward(ids, { pixelValues })).rejects.toThrow("pixelValues were given without imageGridThw");
    await expect(model.imageFeatures(patches, int64([[1, 8, 8]]))).rejects.toThrow("pixelValues is [32, 1176]; expected [64, 1176]");
    await expect(model.imageFeatures(patches, int64([[1, 32, 1]]))).rejects.toThrow("expected rows and columns in multiples of 2");
  });

  it("opens the names and configs of newer versions of transformers", async () => {
    const names = (tensors: Tensors) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [
          name.replace(/^visual\./, "model.visual.").replace(/^model\.(?=layers|norm|embed)/, "model.language_model."),
          tensor,
        ]),
      );
    const flat = ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size"];
    await using old = await open(checkpoint(part));
    const { hiddenSize, numHiddenLayers, numAttentionHeads, numKeyValueHeads, intermediateSize, vocabSize } = old.config;
    const values = [hiddenSize, numHiddenLayers, numAttentionHeads, numKeyValueHeads, intermediateSize, vocabSize];
    const nested = {
      ...Object.fromEntries(flat.map((name) => [name, undefined])),
      rope_scaling: undefined,
      text_config: {
        ...Object.fromEntries(flat.map((name, i) => [name, values[i]])),
        rope_parameters: { rope_theta: 1000000, rope_type: "default", mrope_section: [2, 1, 1] },
      },
    };
    await using model = await open(changedPart(part, { weights: names, config: nested }));
    const options = { pixelValues: patches, imageGridThw: grid };
    expect(await model.forward(ids, options)).toEqual(await old.forward(ids, options));
  });
});
