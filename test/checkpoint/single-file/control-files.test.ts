import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ControlNetModel, ControlNetUnionModel, inspect, T2IAdapter, Tensor } from "../../../src/index.js";
import { expectClose } from "../../helpers/differences.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../../helpers/safetensors.js";
import { temporaryFolder } from "../../helpers/temporary.js";

const device = "cpu";
const WEIGHTS = "diffusion_pytorch_model.safetensors";
const weightsOf = (name: string) => readTensors(join(checkpoint(name), WEIGHTS)) as Record<string, Tensor>;

/** A single file with these tensors. */
function fileOf(tensors: Readonly<Record<string, Tensor>>): string {
  const path = join(temporaryFolder(), "control.safetensors");
  writeSafetensors(path, tensors);
  return path;
}

const renamed = (tensors: Readonly<Record<string, Tensor>>, rename: (name: string) => string) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]));

describe("a T2I-Adapter in a single file", () => {
  it.each([
    ["diffusers' names", "adapter-mini", (name: string) => name],
    [
      "the original names",
      "adapter-mini",
      (name: string) => name.replace(/^adapter\.(body\.\d+\.)resnets\.0\./, "$1").replace(/^adapter\./, ""),
    ],
    [
      "the original names of a light one",
      "adapter-light-mini",
      (name: string) => name.replace(".resnets.", ".body.").replace(/^adapter\./, ""),
    ],
  ])("opens with %s", async (_, name, rename) => {
    await using folder = await T2IAdapter.fromPretrained(checkpoint(name), { device });
    await using file = await T2IAdapter.fromSingleFile(fileOf(renamed(weightsOf(name), rename)), { device });
    expect(file.config).toMatchObject(folder.config);
    const pictures = Tensor.full([1, 3, 8, 12], 0.4);
    const [expected, found] = [await folder.forward(pictures), await file.forward(pictures)];
    for (const [i, feature] of expected.entries()) expectClose(found[i] as Tensor, feature);
  });

  it("is inspected as what it is", async () => {
    const path = fileOf(weightsOf("adapter-mini"));
    expect(await inspect(path)).toMatchObject({ kind: "network", className: "T2IAdapter" });
  });
});

describe("a ControlNet Union", () => {
  it("in a single file is inspected as what it is", async () => {
    expect(await inspect(fileOf(weightsOf("controlnet-union-mini")))).toMatchObject({ kind: "network", className: "ControlNetUnionModel" });
  });

  it("opens from a single file with the config of its folder", async () => {
    const config = checkpoint("controlnet-union-mini");
    await using file = await ControlNetUnionModel.fromSingleFile(fileOf(weightsOf("controlnet-union-mini")), { device, config });
    expect(file.config.numControlType).toBe(4);
  });

  it("is not opened as a ControlNet, which would ignore what makes it a union", async () => {
    await expect(ControlNetModel.fromPretrained(checkpoint("controlnet-union-mini"), { device })).rejects.toThrow(/ControlNetUnionModel/);
  });
});

describe("a file of control that Darkroom does not run is refused by its name", () => {
  it.each([
    [
      "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight",
      "ControlNet-LLLite",
      /use a ControlNet or a T2I-Adapter/,
    ],
    ["lora_controlnet", "Control-LoRA", /use a whole ControlNet/],
  ])("%s", async (tensor, family, hint) => {
    const path = fileOf({ [tensor]: Tensor.zeros([1]) });
    for (const open of [ControlNetModel, ControlNetUnionModel, T2IAdapter]) {
      await expect(open.fromSingleFile(path, { device })).rejects.toMatchObject({
        message: expect.stringContaining(family),
        hint: expect.stringMatching(hint),
      });
    }
    expect(await inspect(path)).toMatchObject({ kind: "foreign", family });
  });
});
