import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

interface Meta {
  readonly checkpoint: string;
  readonly conditioning_scale?: number;
  readonly guess_mode?: boolean;
}

const open = (name: string) => ControlNetModel.fromPretrained(checkpoint(name), { device: "cpu" });

describe("ControlNetModel", () => {
  it.each([
    ["the tiny checkpoint, residuals weighted by 0.7", "models", "controlnet-mini", []],
    ["guess mode, blue first", "options", "controlnet-guess", ["timestep"]],
    ["residuals averaged over the picture, which guess mode leaves alike", "options", "controlnet-pool", ["timestep"]],
    ["Stable Diffusion XL's conditioning, transformers of several layers", "options", "controlnet-xl", ["timestep", "text_embeds"]],
    ["a table of classes, a gray picture, a plain middle block", "options", "controlnet-classes", ["timestep", "class_labels"]],
    ["projected class features", "options", "controlnet-projection", ["timestep", "class_labels"]],
    ["classes embedded like timesteps, heads by number", "options", "controlnet-class-timestep", ["timestep", "class_labels"]],
  ] as const)("gives diffusers' residuals: %s", async (_, group, name, inputs: readonly string[]) => {
    const { meta, tensor } = readFixture<Meta>(group, name);
    await using net = await open(meta.checkpoint);
    const output = await net.forward(tensor("sample") as Tensor, inputs.includes("timestep") ? (tensor("timestep") as Tensor) : 500, {
      encoderHiddenStates: tensor("encoder_hidden_states") as Tensor,
      controlnetCond: tensor("hint") as Tensor,
      conditioningScale: meta.conditioning_scale,
      guessMode: meta.guess_mode,
      ...(inputs.includes("class_labels") && { classLabels: tensor("class_labels") as Tensor }),
      ...(inputs.includes("text_embeds") && {
        addedCond: { textEmbeds: tensor("text_embeds") as Tensor, timeIds: tensor("time_ids") as Tensor },
      }),
    });
    expectClose(output.midBlockResSample, tensor("mid"));
    for (const [i, residual] of output.downBlockResSamples.entries()) expectClose(residual, tensor(`down.${i}`));
    expect(() => tensor(`down.${output.downBlockResSamples.length}`)).toThrow();
  });

  it("refuses a picture of a size that does not fit the latents", async () => {
    await using net = await open("controlnet-mini");
    const inputs = { encoderHiddenStates: Tensor.zeros([1, 7, 32]), controlnetCond: Tensor.zeros([1, 3, 16, 16]) };
    await expect(net.forward(Tensor.zeros([1, 4, 16, 16]), 0, inputs)).rejects.toThrow(
      new ArgumentError("controlnetCond is [1, 3, 16, 16]; expected [1, 3, 32, 32]", { argument: "controlnetCond" }),
    );
  });

  it("requires classes if the config has them", async () => {
    await using net = await open("options/controlnet-classes");
    const inputs = { encoderHiddenStates: Tensor.zeros([1, 7, 6]), controlnetCond: Tensor.zeros([1, 1, 16, 16]) };
    await expect(net.forward(Tensor.zeros([1, 4, 4, 4]), 0, inputs)).rejects.toThrow("this ControlNet needs classLabels");
  });
});
