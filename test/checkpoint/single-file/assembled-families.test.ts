import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { generate } from "../../../src/generate/generate.js";
import type { GenerateRequest } from "../../../src/generate/request.js";
import { device } from "../../cli/pictures.js";
import { authorsLayout, prefixed } from "../../helpers/authors-layout.js";
import type { Tensors } from "../../helpers/checkpoints.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { partTensors } from "../../helpers/part-tensors.js";
import { writeSafetensors } from "../../helpers/safetensors.js";
import { originalVae } from "../../helpers/single-files.js";
import { temporaryFolder } from "../../helpers/temporary.js";

/** Files as people have them, by the names of ComfyUI's. */
interface Files {
  readonly transformer: Tensors;
  readonly encoders: Readonly<Record<string, Tensors>>;
  readonly vae: Tensors;
}

/** FLUX.2's authors have the convolutions of latents in the encoder and the decoder. */
function flux2Vae(name: string): Tensors {
  const own = (layer: string) => layer.replace(/^quant_conv/, "encoder.quant_conv").replace(/^post_quant_conv/, "decoder.post_quant_conv");
  return Object.fromEntries(Object.entries(originalVae(`${name}/vae`)).map(([layer, tensor]) => [own(layer), tensor]));
}

const CASES: Readonly<Record<string, () => Files>> = {
  "flux-dev-mini": () => ({
    transformer: authorsLayout("FluxTransformer2DModel", partTensors("flux-dev-mini/transformer")),
    encoders: { clip_l: partTensors("flux-dev-mini/text_encoder"), t5xxl_fp16: partTensors("flux-dev-mini/text_encoder_2") },
    vae: originalVae("flux-dev-mini/vae"),
  }),
  "sd3-mini": () => ({
    transformer: prefixed(authorsLayout("SD3Transformer2DModel", partTensors("sd3-mini/transformer")), "model.diffusion_model."),
    encoders: {
      t5xxl_fp16: partTensors("sd3-mini/text_encoder_3"),
      clip_g: partTensors("sd3-mini/text_encoder_2"),
      clip_l: partTensors("sd3-mini/text_encoder"),
    },
    vae: originalVae("sd3-mini/vae"),
  }),
  "qwen-image-mini": () => ({
    transformer: prefixed(partTensors("qwen-image-mini/transformer"), "model.diffusion_model."),
    encoders: { "qwen_2.5_vl_7b": partTensors("qwen-image-mini/text_encoder") },
    vae: partTensors("qwen-image-mini/vae"),
  }),
  "chroma-mini": () => ({
    transformer: authorsLayout("ChromaTransformer2DModel", partTensors("chroma-mini/transformer")),
    encoders: { t5xxl_fp16: partTensors("chroma-mini/text_encoder") },
    vae: originalVae("chroma-mini/vae"),
  }),
  "flux2-klein-mini": () => ({
    transformer: authorsLayout("Flux2Transformer2DModel", partTensors("flux2-klein-mini/transformer")),
    encoders: { qwen_3_4b: partTensors("flux2-klein-mini/text_encoder") },
    vae: flux2Vae("flux2-klein-mini"),
  }),
};

/** The checkpoint's configs and tokenizers, without weights. */
function configs(name: string): string {
  const folder = join(temporaryFolder(), "configs");
  cpSync(checkpoint(name), folder, { recursive: true });
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (/\.safetensors(\.index\.json)?$/.test(path)) rmSync(join(folder, path));
  }
  return folder;
}

function file(name: string, tensors: Tensors): string {
  const path = join(temporaryFolder(), `${name}.safetensors`);
  writeSafetensors(path, tensors);
  return path;
}

async function made(request: GenerateRequest): Promise<Uint8Array> {
  const { pictures } = await generate({ prompt: "a red fox", numInferenceSteps: 2, seed: 0, width: 32, height: 32, device, ...request });
  return pictures[0]?.image.data ?? new Uint8Array();
}

function largest(own: Uint8Array, expected: Uint8Array): number {
  expect(own.length).toBe(expected.length);
  return own.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? 0))), 0);
}

describe("a transformer with text encoders and an autoencoder in files of their own", () => {
  it.each(Object.entries(CASES))("makes the folder's picture: %s", async (name, files) => {
    const { transformer, encoders, vae } = files();
    const own = await made({
      model: file(name, transformer),
      config: configs(name),
      textEncoder: Object.entries(encoders).map(([encoder, tensors]) => file(encoder, tensors)),
      vae: file("ae", vae),
    });
    expect(largest(own, await made({ model: checkpoint(name) }))).toBeLessThanOrEqual(1);
  });

  it("makes it from one file with everything: FLUX.1", async () => {
    const { transformer, encoders, vae } = (CASES["flux-dev-mini"] ?? expect.fail())();
    const all = {
      ...prefixed(transformer, "model.diffusion_model."),
      ...prefixed(vae, "vae."),
      ...Object.assign({}, ...Object.entries(encoders).map(([name, each]) => prefixed(each, `text_encoders.${name}.transformer.`))),
    };
    const own = await made({ model: file("all", all), config: configs("flux-dev-mini") });
    expect(largest(own, await made({ model: checkpoint("flux-dev-mini") }))).toBeLessThanOrEqual(1);
  });

  it("makes other pictures with Stable Diffusion 3 without T5", async () => {
    const { transformer, encoders, vae } = (CASES["sd3-mini"] ?? expect.fail())();
    const { t5xxl_fp16: _, ...clips } = encoders;
    const own = await made({
      model: file("sd3", transformer),
      config: configs("sd3-mini"),
      textEncoder: Object.entries(clips).map(([encoder, tensors]) => file(encoder, tensors)),
      vae: file("ae", vae),
    });
    expect(own.length).toBe(32 * 32 * 3);
    expect(largest(own, await made({ model: checkpoint("sd3-mini") }))).toBeGreaterThan(1);
  });
});
