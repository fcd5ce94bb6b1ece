import { describe, expect, it } from "vitest";
import { T5EncoderModel } from "../../src/models/t5-encoder.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { changedPart, type Tensors } from "../helpers/checkpoints.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";

const part = "flux-dev-mini/text_encoder_2";
const int64 = (rows: readonly (readonly number[])[]) =>
  new Tensor("int64", [rows.length, rows[0]?.length ?? 0], BigInt64Array.from(rows.flat(), BigInt));
const open = (folder: string) => T5EncoderModel.fromPretrained(folder, { device: "cpu" });
const ids = int64([[5, 6, 7, 1, 0, 0]]);

describe("T5's encoder", () => {
  it("gives a masked text the same features whatever padding follows it", async () => {
    await using model = await open(checkpoint(part));
    const { lastHiddenState } = await model.forward(ids, { attentionMask: int64([[1, 1, 1, 1, 0, 0]]) });
    const { lastHiddenState: alone } = await model.forward(int64([[5, 6, 7, 1]]));
    expectClose(Tensor.from(lastHiddenState.data.slice(0, 4 * 48), [1, 4, 48]), alone, 1e-5);
  });

  it("finds the token embeddings under the encoder's name, too", async () => {
    const renamed = (tensors: Tensors) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [name === "shared.weight" ? "encoder.embed_tokens.weight" : name, tensor]),
      );
    await using model = await open(checkpoint(part));
    await using other = await open(changedPart(part, { weights: renamed }));
    expect(await other.forward(ids)).toEqual(await model.forward(ids));
  });

  it("refuses ids outside the vocabulary, masks of another shape, and perceptrons that it does not know", async () => {
    await using model = await open(checkpoint(part));
    await expect(model.forward(int64([[448]]))).rejects.toThrow("token 448 is not in the text encoder's vocabulary of 448");
    await expect(model.forward(ids, { attentionMask: int64([[1]]) })).rejects.toThrow("attentionMask is [1, 1]; expected [1, 6]");
    await expect(open(changedPart(part, { config: { feed_forward_proj: "gated-swish" } }))).rejects.toThrow("feed_forward_proj");
    await expect(open(changedPart(part, { config: { relative_attention_num_buckets: 30 } }))).rejects.toThrow("expected a multiple of 4");
  });
});
