import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DiffusionPipeline, StableDiffusionPipeline } from "../../src/index.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const adapter = (name: string) => checkpoint(`../fixtures/lora/adapters/${name}.safetensors`);
const REQUEST = { prompt: "a red fox", seed: 7, numInferenceSteps: 2, outputType: "tensor" } as const;
const open = () => StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));

/** The text metadata of a safetensors file. */
function metadataOf(path: string): Record<string, string> {
  const bytes = readFileSync(path);
  return JSON.parse(bytes.toString("utf8", 8, 8 + Number(bytes.readBigUInt64LE(0)))).__metadata__;
}

describe("saveLoraWeights", () => {
  for (const name of ["sd1_peft", "sd1_kohya", "sd1_metadata"]) {
    it(`writes ${name} in PEFT's layout: the pictures are the same`, async () => {
      await using pipe = await open();
      await pipe.loadLoraWeights(adapter(name));
      const folder = join(temporaryFolder(), "lora");
      await pipe.saveLoraWeights(folder);
      expect(readdirSync(folder)).toEqual(["pytorch_lora_weights.safetensors"]);
      const file = join(folder, "pytorch_lora_weights.safetensors");
      expect(Object.keys(readTensors(file)).every((key) => /^(unet|text_encoder\.text_model)\..+\.lora_[AB]\.weight$/.test(key))).toBe(
        true,
      );
      const config = JSON.parse(metadataOf(file).lora_adapter_metadata ?? "");
      expect(config["unet.r"]).toBeGreaterThan(0);
      expect(config["unet.target_modules"].length).toBeGreaterThan(0);
      // Without transformers' older `text_model`, so that PEFT finds the layers in both versions.
      for (const layer of config["text_encoder.target_modules"] ?? []) expect(layer).toMatch(/^encoder\.layers\./);
      await using other = await open();
      await other.loadLoraWeights(folder);
      const [{ images: expected }, { images: found }] = [await pipe.generate(REQUEST), await other.generate(REQUEST)];
      expect(
        found
          .sub(expected)
          .map(Math.abs)
          .data.reduce((a, b) => Math.max(a, b)),
      ).toBeLessThan(1e-4);
    });
  }

  it.each([
    ["z-image-mini", "z-image-mini_z_kohya", 24],
    ["z-image-mini", "z-image-mini_fused", 12],
    ["flux2-klein-base-mini", "flux2-klein-base-mini_klein", 20],
  ])("writes a transformer's LoRA with diffusers' names, joined layers apart: %s, %s", async (source, file, atLeast) => {
    const request = { prompt: "a red fox", seed: 7, numInferenceSteps: 1, height: 32, width: 32, guidanceScale: 1, maxSequenceLength: 64 };
    const picture = async (path: string) => {
      await using pipe = await DiffusionPipeline.fromPretrained(checkpoint(source));
      if (!("loadLoraWeights" in pipe)) return expect.fail("it takes no LoRA");
      await pipe.loadLoraWeights(path);
      const folder = join(temporaryFolder(), "lora");
      await pipe.saveLoraWeights(folder);
      const { images } = await (pipe as StableDiffusionPipeline).generate({ ...request, outputType: "tensor" });
      return { images, folder };
    };
    const { images, folder } = await picture(adapter(file));
    const tensors = readTensors(join(folder, "pytorch_lora_weights.safetensors"));
    const names = Object.keys(tensors);
    expect(names.length).toBeGreaterThan(atLeast);
    expect(names.filter((key) => !/^transformer\..+\.lora_[AB]\.weight$/.test(key))).toEqual([]);
    expect(names.filter((key) => key.includes("qkv.") || key.includes("double_blocks"))).toEqual([]);
    const again = await picture(folder);
    expect(largestDifference(again.images, images)).toBeLessThan(1e-4);
  });

  it("names the LoRAs to choose from, and refuses other methods and names", async () => {
    await using pipe = await open();
    const folder = temporaryFolder();
    await expect(pipe.saveLoraWeights(folder)).rejects.toThrow(/no LoRA is loaded/);
    await pipe.loadLoraWeights(adapter("sd1_peft"), { adapterName: "a" });
    await pipe.loadLoraWeights(adapter("sd1_kohya"), { adapterName: "b" });
    pipe.setAdapters(["a", "b"]);
    await expect(pipe.saveLoraWeights(folder)).rejects.toThrow(/loaded LoRAs are a, b/);
    await expect(pipe.saveLoraWeights(folder, { adapterName: "c" })).rejects.toThrow(/no adapter c/);
    await expect(pipe.saveLoraWeights(folder, { adapterName: "a", weightName: "a.bin" })).rejects.toThrow(/weightName/);
    const methods = readdirSync(checkpoint("../fixtures/lora-methods/adapters"));
    const loha = methods.find((file) => /loha/i.test(file)) ?? "";
    await pipe.loadLoraWeights(checkpoint(`../fixtures/lora-methods/adapters/${loha}`), { adapterName: "loha" });
    await expect(pipe.saveLoraWeights(folder, { adapterName: "loha" })).rejects.toThrow(/adapter loha cannot be saved: .*plain LoRAs only/);
    expect(readdirSync(folder)).toEqual([]);
    await pipe.saveLoraWeights(folder, { adapterName: "b", weightName: "b.safetensors" });
    expect(readdirSync(folder)).toEqual(["b.safetensors"]);
  });
});
