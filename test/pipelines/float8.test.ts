import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import type { DeviceOptions } from "../../src/runtime/device.js";
import type { Tensors } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { type Float8Options, inFloat8, widened } from "../helpers/float8.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "./embeddings.js";

const WEIGHTS = ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"].map((path) => `${path}.safetensors`);

/** sd1-mini with other weights. */
function folderOf(change: (tensors: Tensors) => Tensors): string {
  const folder = join(temporaryFolder(), "sd1-mini");
  cpSync(checkpoint("sd1-mini"), folder, { recursive: true });
  for (const path of WEIGHTS) writeSafetensors(join(folder, path), change(readTensors(join(folder, path))));
  return folder;
}

async function picture(pipe: StableDiffusionPipeline, prompt = "a red fox"): Promise<Float32Array> {
  onTestFinished(() => pipe.dispose());
  return (await pipe.generate({ prompt, seed: 1, numInferenceSteps: 2, outputType: "tensor" })).images.data;
}

const fromFolder = async (folder: string, options: DeviceOptions = {}) =>
  picture(await StableDiffusionPipeline.fromPretrained(folder, { device: "cpu", ...options }));

describe("a pipeline of fp8 weights", () => {
  const options: Float8Options = { dtype: "float8_e4m3fn", scales: { count: "one", names: "scale_weight" } };

  it.each<[string, Float8Options, DeviceOptions?]>([
    ["E4M3", { dtype: "float8_e4m3fn" }],
    ["E5M2", { dtype: "float8_e5m2" }],
    ["E4M3 with one scale for each weight", options],
    ["in little memory", options, { lowMemory: true }],
    ["fast", options, { precision: "fast" }],
    [
      "E5M2 with a scale for each row, in some layers",
      { dtype: "float8_e5m2", scales: { count: "row", names: "weight_scale" }, includes: (name) => /attn|attentions|mlp/.test(name) },
    ],
  ])("makes the widened weights' picture, to the bit: %s", async (_, narrowing, device) => {
    const narrow = await fromFolder(
      folderOf((tensors) => inFloat8(tensors, narrowing)),
      device,
    );
    expect(narrow).toEqual(
      await fromFolder(
        folderOf((tensors) => widened(inFloat8(tensors, narrowing))),
        device,
      ),
    );
  });

  it("does so from a single file, and so do a LoRA and an embedding in fp8", async () => {
    const make = async (change: (tensors: Tensors) => Tensors) => {
      const folder = temporaryFolder();
      const file = singleFile("sd1-mini", { tensors: change });
      writeSafetensors(join(folder, "lora.safetensors"), change(readTensors(loraFile("sd1_locon"))));
      writeSafetensors(join(folder, "cat.safetensors"), change(readTensors(embeddingFile("cat-toy"))));
      const pipe = await StableDiffusionPipeline.fromSingleFile(file, { device: "cpu", config: checkpoint("sd1-mini") });
      await pipe.loadLoraWeights(join(folder, "lora.safetensors"));
      await pipe.loadTextualInversion(join(folder, "cat.safetensors"), { token: "<cat-toy>" });
      const beside = await picture(pipe, "a <cat-toy>");
      pipe.fuseLora();
      return [beside, await picture(pipe, "a <cat-toy>")];
    };
    expect(await make((tensors) => inFloat8(tensors, options))).toEqual(await make((tensors) => widened(inFloat8(tensors, options))));
  });
});
