import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ControlNetModel,
  MultiControlNetModel,
  StableDiffusionControlNetPipeline,
  type StableDiffusionControlNetRequest,
} from "../../src/index.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

type Images = StableDiffusionControlNetRequest["image"];
const [A, B] = [Tensor.full([1, 3, 32, 32], 0.2), Tensor.full([1, 3, 32, 32], 0.9)];
const CALL = { numInferenceSteps: 2, guidanceScale: 1, seed: 1, outputType: "latent" } as const;

describe("the pictures of ControlNets", () => {
  let single: StableDiffusionControlNetPipeline;
  let double: StableDiffusionControlNetPipeline;
  beforeAll(async () => {
    const controlnet = await ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device: "cpu" });
    single = await StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), {
      device: "cpu",
      safetyChecker: null,
      controlnet,
    });
    double = new StableDiffusionControlNetPipeline({ ...single, controlnet: [controlnet, controlnet] });
  });
  afterAll(async () => {
    await single.controlnet[0]?.dispose();
    await single.dispose();
  });

  it.each<[string, number, string | string[], Images, RegExp]>([
    ["one picture for two nets", 2, "a fox", A, /^image is not a list; expected a picture for each of 2 ControlNets$/],
    ["three pictures for two nets", 2, "a fox", [A, B, A], /^image is a list of 3; expected a picture for each of 2/],
    [
      "a list of lists, one too short",
      2,
      ["a fox", "a hare"],
      [[A, B], [A]],
      /^image\[1\] is a list of 1; expected a picture for each of 2/,
    ],
    ["lists beside a picture", 2, ["a fox", "a hare"], [A, [A, B]] as never, /^image\[0\] is not a list, others are; expected/],
    [
      "three lists for two prompts",
      2,
      ["a fox", "a hare"],
      [
        [A, B],
        [A, B],
        [A, B],
      ],
      /^image has 3 pictures for 2 prompts; expected one, or one for each prompt$/,
    ],
    [
      "a tensor of three for two prompts",
      2,
      ["a fox", "a hare"],
      [Tensor.zeros([3, 3, 32, 32]), B],
      /^image has 3 pictures for 2 prompts;/,
    ],
    ["two pictures for one prompt", 1, "a fox", [A, B], /^image has 2 pictures for 1 prompts;/],
    [
      "a list of two for each prompt of one net",
      1,
      ["a fox", "a hare"],
      [
        [A, B],
        [B, A],
      ],
      /^image\[0\] is a list of 2; expected a picture for each of 1 ControlNet$/,
    ],
    ["two sizes", 2, "a fox", [A, Tensor.zeros([1, 3, 48, 32])], /^the ControlNets' pictures are 32x32 and 32x48; expected one size$/],
  ])("are refused: %s", async (_, nets, prompt, image, message) => {
    const refused = (nets === 1 ? single : double).generate({ ...CALL, prompt, image });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ name: "ArgumentError", argument: "image" });
  });

  it("may also be a list of one picture for each prompt, if there is one ControlNet", async () => {
    const prompt = ["a fox", "a hare"];
    const nested = await single.generate({ ...CALL, prompt, image: [[A], [B]] });
    const flat = await single.generate({ ...CALL, prompt, image: [A, B] });
    expect(nested.images.toArray()).toEqual(flat.images.toArray());
  });
});

describe("a saved MultiControlNetModel", () => {
  /** As diffusers saves it: `controlnet` and `controlnet_1` side by side; the second one's weights are halved. */
  const save = (folder: string) => {
    for (const [name, factor] of [
      ["controlnet", 1],
      ["controlnet_1", 0.5],
    ] as const) {
      const own = join(folder, name);
      cpSync(checkpoint("controlnet-mini"), own, { recursive: true });
      const file = join(own, "diffusion_pytorch_model.safetensors");
      const tensors = Object.entries(readTensors(file)).map(([key, tensor]) => [key, (tensor as Tensor).mul(factor)] as const);
      writeSafetensors(file, Object.fromEntries(tensors));
    }
    return folder;
  };
  const request = { ...CALL, prompt: "a fox", image: [A, B], controlnetConditioningScale: [1, 0.5] };

  it("opens in a pipeline's folder and alone, with the same picture", async () => {
    const folder = save(temporaryFolder());
    cpSync(checkpoint("sd1-mini"), folder, { recursive: true });
    const index = JSON.parse(readFileSync(join(folder, "model_index.json"), "utf8"));
    const names = { _class_name: "StableDiffusionControlNetPipeline", controlnet: ["diffusers", "MultiControlNetModel"] };
    writeFileSync(join(folder, "model_index.json"), JSON.stringify({ ...index, ...names }));
    await using whole = await StableDiffusionControlNetPipeline.fromPretrained(folder, { device: "cpu", safetyChecker: null });
    expect(whole.controlnet).toHaveLength(2);
    const { images } = await whole.generate(request);

    for (const [source, subfolder] of [
      [`${join(folder, "controlnet")}/`, undefined],
      [folder, "controlnet"],
    ] as const) {
      await using controlnet = await MultiControlNetModel.fromPretrained(source, { device: "cpu", subfolder });
      expect(controlnet.nets).toHaveLength(2);
      const pipe = new StableDiffusionControlNetPipeline({ ...whole, controlnet });
      expect((await pipe.generate(request)).images.toArray()).toEqual(images.toArray());
    }
    const same = new StableDiffusionControlNetPipeline({ ...whole, controlnet: whole.controlnet.slice(0, 1) });
    expect((await same.generate({ ...request, image: A, controlnetConditioningScale: 1 })).images.toArray()).not.toEqual(images.toArray());
  });

  it("that is broken names its folder", async () => {
    const folder = save(temporaryFolder());
    writeFileSync(join(folder, "controlnet_1", "config.json"), "{");
    await expect(MultiControlNetModel.fromPretrained(join(folder, "controlnet"), { device: "cpu" })).rejects.toThrow(
      /controlnet_1\/config\.json/,
    );
    await expect(MultiControlNetModel.fromPretrained(join(folder, "nowhere"), { device: "cpu" })).rejects.toThrow(/nowhere/);
  });
});
