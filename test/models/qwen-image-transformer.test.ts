import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { QwenImageTransformer2DModel } from "../../src/models/qwen-image-transformer.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { changedPart } from "../helpers/checkpoints.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";

describe("Qwen-Image's transformer", () => {
  let transformer: QwenImageTransformer2DModel;
  beforeAll(async () => {
    transformer = await QwenImageTransformer2DModel.fromPretrained(checkpoint("qwen-image-edit-mini/transformer"));
  });
  afterAll(() => transformer.dispose());

  const draw = (...shape: number[]) => randn(shape, new Generator(shape.length + (shape[1] ?? 0)));
  const imgShapes = [
    [1, 3, 4],
    [1, 2, 5],
  ] as const;
  const pictures = draw(2, 22, 16);
  const texts = draw(4, 6, 32);
  const mask = new Tensor(
    "int64",
    [4, 6],
    BigInt64Array.from([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0], BigInt),
  );

  it("predicts for copies of the latents if there are more texts, each text without its padding", async () => {
    const together = await transformer.forward(pictures, 0.5, { encoderHiddenStates: texts, encoderHiddenStatesMask: mask, imgShapes });
    const alone: Tensor[] = [];
    for (const [row, length] of [6, 2, 3, 5].entries()) {
      const text = Tensor.from(texts.data.slice(row * 6 * 32, (row * 6 + length) * 32), [1, length, 32]);
      const picture = pictures.slice(row % 2, (row % 2) + 1);
      alone.push((await transformer.forward(picture, Tensor.from([0.5]), { encoderHiddenStates: text, imgShapes })).sample);
    }
    expect(largestDifference(together.sample, concat(alone))).toBeLessThan(1e-5);
  });

  it("computes attention in steps of fewer heads", async () => {
    const inputs = { encoderHiddenStates: texts, encoderHiddenStatesMask: mask, imgShapes };
    const whole = await transformer.forward(pictures, 0.5, inputs);
    transformer.setAttentionSlice("max");
    expect(largestDifference((await transformer.forward(pictures, 0.5, inputs)).sample, whole.sample)).toBeLessThan(1e-5);
    transformer.setAttentionSlice(undefined);
  });

  it("refuses inputs that do not go together", async () => {
    const inputs = { encoderHiddenStates: texts, imgShapes };
    await expect(transformer.forward(draw(2, 21, 16), 0.5, inputs)).rejects.toThrow(
      "hiddenStates is [2, 21, 16]; expected [batch, 22, 16]",
    );
    await expect(transformer.forward(draw(3, 22, 16), 0.5, inputs)).rejects.toThrow(ArgumentError);
    await expect(transformer.forward(pictures, 0.5, { ...inputs, encoderHiddenStates: draw(2, 6, 33) })).rejects.toThrow(
      "encoderHiddenStates is [2, 6, 33]; expected [batch, text tokens, 32]",
    );
    await expect(transformer.forward(pictures, 0.5, { ...inputs, imgShapes: [] })).rejects.toThrow("a list of [frames, rows, columns]");
    const nothing = Tensor.zeros([4, 6]);
    await expect(transformer.forward(pictures, 0.5, { ...inputs, encoderHiddenStatesMask: nothing })).rejects.toThrow(
      "encoderHiddenStatesMask leaves no token of text 0",
    );
    // @ts-expect-error: shapes are needed
    await expect(transformer.forward(pictures, 0.5, { encoderHiddenStates: texts })).rejects.toThrow("imgShapes");
  });
});

it.each([
  [{ axes_dims_rope: [4, 4, 4] }, "axes_dims_rope is [4,4,4]; expected even numbers whose sum is 16, the width of a head"],
  [{ use_layer3d_rope: true }, "use_layer3d_rope is true; expected false"],
])("a config with %o is refused", async (change, message) => {
  const opened = QwenImageTransformer2DModel.fromPretrained(changedPart("qwen-image-mini/transformer", { config: change }));
  await expect(opened).rejects.toThrow(ConfigError);
  await expect(opened).rejects.toThrow(message);
});
