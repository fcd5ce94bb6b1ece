import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { UNet2DModel } from "../../src/models/unet-2d.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

const open = (name: string) => UNet2DModel.fromPretrained(checkpoint(name), { device: "cpu" });

/** A copy of a tiny network with some of its config changed. */
function changed(changes: Readonly<Record<string, unknown>>): string {
  const folder = temporaryFolder();
  cpSync(checkpoint("options/unet2d-heads"), folder, { recursive: true });
  const config = JSON.parse(readFileSync(`${folder}/config.json`, "utf8"));
  writeFileSync(`${folder}/config.json`, JSON.stringify({ ...config, ...changes }));
  return folder;
}

describe("UNet2DModel", () => {
  it("predicts what diffusers predicts, with a timestep for each picture", async () => {
    const { tensor } = readFixture("models", "unet_ddpm-mini");
    await using unet = await open("ddpm-mini/unet");
    const { sample } = await unet.forward(tensor("sample") as Tensor, tensor("timestep") as Tensor<"int64">);
    expectClose(sample, tensor("out"));
  });

  it.each([
    ["heads of 4 channels, a picture that is not square", "heads"],
    ["heads that leave channels over", "uneven-heads"],
    ["a middle block without attention, its sums scaled", "no-attention"],
    ["no middle block", "no-mid"],
    ["the time embedding as scale and shift, another activation, padding on one side", "scale-shift"],
    ["one head of all channels, a middle norm of its own beside scale and shift", "scale-shift-groups"],
    ["another number of groups in the middle", "mid-groups"],
    ["resnet blocks that change the size", "resnet-samplers"],
    ["a table of classes", "classes"],
    ["classes embedded like timesteps, a centred input, sines first", "class-timestep"],
    ["features as classes, a time embedding of another width", "class-identity"],
    ["random frequencies, for timesteps and classes", "fourier-class"],
    ["a table of timesteps", "learned"],
  ])("knows %s", async (_, name) => {
    const { tensor } = readFixture("options", `unet2d-${name}`);
    await using unet = await open(`options/unet2d-${name}`);
    const hasClasses = name.startsWith("class") || name.endsWith("class");
    const classLabels = hasClasses ? (tensor("class_labels") as Tensor) : undefined;
    const { sample } = await unet.forward(tensor("sample") as Tensor, tensor("timestep") as Tensor<"int64">, { classLabels });
    expectClose(sample, tensor("out"));
  });

  it.each([
    ["the blocks of NCSN++, with attention in one level and without groups", "skip"],
    ["them beside other blocks, the time embedding as scale and shift, a centred input", "skip_mixed"],
    ["attention in the coarsest of them, one timestep", "skip_attention"],
  ])("knows %s", async (_, name) => {
    const { tensor } = readFixture("models", `unet2d_${name}`);
    await using unet = await open(`options/unet2d-${name.replace("_", "-")}`);
    const sample = tensor("sample") as Tensor;
    const all = await unet.forward(sample, tensor("timestep") as Tensor);
    expectClose(all.sample, tensor("out"));
  });

  it("refuses blocks that need groups if the config has none, and sides that blocks of NCSN++ cannot halve", async () => {
    const blocks = { down_block_types: ["SkipDownBlock2D", "DownBlock2D"], up_block_types: ["SkipUpBlock2D", "SkipUpBlock2D"] };
    const opening = UNet2DModel.fromPretrained(changed({ norm_num_groups: null, ...blocks, block_out_channels: [8, 8] }), {
      device: "cpu",
    });
    await expect(opening).rejects.toThrow(/norm_num_groups is null; blocks of type DownBlock2D need a number/);
    await using unet = await open("options/unet2d-skip");
    await expect(unet.forward(Tensor.zeros([1, 3, 6, 8]), 1)).rejects.toThrow(ArgumentError);
  });

  it("takes one timestep for all pictures", async () => {
    await using unet = await open("ddpm-mini/unet");
    const sample = readFixture("models", "unet_ddpm-mini").tensor("sample") as Tensor;
    const [one, each] = [await unet.forward(sample, 3), await unet.forward(sample, Tensor.from([3, 3]))];
    expectClose(one.sample, each.sample, 1e-6);
  });

  it("requires classes if the config has them", async () => {
    await using unet = await open("options/unet2d-classes");
    await expect(unet.forward(Tensor.zeros([1, 3, 8, 8]), 0)).rejects.toThrow(
      new ArgumentError("this UNet needs classLabels: its config has a class embedding"),
    );
  });

  it("refuses a class that the table does not have", async () => {
    await using unet = await open("options/unet2d-classes");
    await expect(unet.forward(Tensor.zeros([1, 3, 8, 8]), 0, { classLabels: Tensor.from([7]) })).rejects.toThrow(
      "class 7 is outside the 7 classes",
    );
  });

  it("refuses classes if the config has none", async () => {
    await using unet = await open("ddpm-mini/unet");
    await expect(unet.forward(Tensor.zeros([1, 3, 8, 8]), 0, { classLabels: Tensor.from([1]) })).rejects.toThrow(ArgumentError);
  });

  it.each(["CrossAttnDownBlock2D", "KDownBlock2D"])("refuses blocks of type %s by name", async (type) => {
    const opening = UNet2DModel.fromPretrained(changed({ down_block_types: [type, "AttnDownBlock2D", "DownBlock2D"] }), { device: "cpu" });
    await expect(opening).rejects.toThrow(ConfigError);
    await expect(opening).rejects.toThrow(type);
  });
});
