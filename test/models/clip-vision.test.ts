import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { CLIPVisionModelWithProjection } from "../../src/models/clip-vision.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const open = () => CLIPVisionModelWithProjection.fromPretrained(checkpoint("options/clip-vision"), { device: "cpu" });

describe("CLIPVisionModelWithProjection", () => {
  it("embeds pictures like transformers", async () => {
    const { tensor } = readFixture("options", "clip-vision");
    await using model = await open();
    const { imageEmbeds, poolerOutput, lastHiddenState } = await model.forward(tensor("pixel_values") as Tensor);
    expectClose(imageEmbeds, tensor("image_embeds"));
    expectClose(poolerOutput, tensor("pooler_output"));
    expectClose(lastHiddenState, tensor("last_hidden_state"));
  });

  it("returns every layer's state if it is wanted", async () => {
    const { tensor } = readFixture("options", "clip-vision");
    await using model = await open();
    const { hiddenStates = [] } = await model.forward(tensor("pixel_values") as Tensor, { outputHiddenStates: true });
    expect(hiddenStates).toHaveLength(4);
    for (const [i, state] of hiddenStates.entries()) expectClose(state, tensor(`hidden.${i}`));
  });

  it("refuses pictures of another size", async () => {
    await using model = await open();
    await expect(model.forward(Tensor.zeros([1, 3, 28, 56]))).rejects.toThrow(
      new ArgumentError("pixelValues is [1, 3, 28, 56]; expected [batch, 3, 56, 56]", { argument: "pixelValues" }),
    );
  });
});
