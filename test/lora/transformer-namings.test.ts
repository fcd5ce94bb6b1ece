import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { openWeights } from "../../src/checkpoint/weights.js";
import { CheckpointError } from "../../src/errors.js";
import type { LayerChange } from "../../src/graph/layer-change.js";
import { readLora } from "../../src/lora/lora-file.js";
import { type MatchedLora, matchLora } from "../../src/lora/match-lora.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "./loras.js";

const WIDTH = 32;

async function match(file: string, name: string): Promise<MatchedLora> {
  const weights = await openWeights(openFolder(checkpoint(`${name}/transformer`)), {});
  return matchLora(await readLora(openFolder(dirname(file)), basename(file)), new Map([["transformer", { weights }]]));
}

function written(tensors: Readonly<Record<string, Tensor>>): string {
  const file = join(temporaryFolder(), "fox.safetensors");
  writeSafetensors(file, tensors);
  return file;
}

/** A LoRA's two matrices for a layer of `ins` to `out` numbers. */
function product(layer: string, ins: number, out: number, ends = ["lora_down.weight", "lora_up.weight"]): Record<string, Tensor> {
  const [down, up] = ends;
  return { [`${layer}.${down}`]: Tensor.zeros([2, ins]), [`${layer}.${up}`]: Tensor.zeros([out, 2]) };
}

/** What a LoRA changes: the layers, with the rows of `up` that they have. */
async function changed(name: string, tensors: Readonly<Record<string, Tensor>>): Promise<Record<string, unknown>> {
  const { changes, leftOut } = await match(written(tensors), name);
  expect(leftOut).toEqual([]);
  return Object.fromEntries([...(changes.get("transformer") ?? [])].map(([path, change]) => [path, rowsIn(change)]));
}

function rowsIn({ weight }: LayerChange): unknown {
  if (weight?.method !== "lora") return weight?.method;
  return weight.up.shape[0];
}

describe("the LoRAs of trainers that Python made", () => {
  it.each([
    ["flux-dev-mini_kohya", "flux-dev-mini"],
    ["flux-dev-mini_peft", "flux-dev-mini"],
    ["flux2-klein-base-mini_klein", "flux2-klein-base-mini"],
    ["qwen-image-mini_lightning", "qwen-image-mini"],
    ["sd3-mini_peft", "sd3-mini"],
    ["z-image-mini_z_ai_toolkit", "z-image-mini"],
    ["z-image-mini_z_kohya", "z-image-mini"],
  ])("fit with all their tensors: %s", async (file, name) => {
    const { changes, leftOut } = await match(loraFile(`${file}`), name);
    expect(leftOut).toEqual([]);
    expect([...changes.keys()]).toEqual(["transformer"]);
  });
});

const DOUBLE = "transformer_blocks.0.attn";
const SINGLE = "single_transformer_blocks.0";

describe("a layer that files have joined", () => {
  const qkv = { [`${DOUBLE}.to_q`]: WIDTH, [`${DOUBLE}.to_k`]: WIDTH, [`${DOUBLE}.to_v`]: WIDTH };

  it.each([
    ["kohya-ss", "lora_unet_double_blocks_0_img_attn_qkv", undefined],
    ["ai-toolkit", "diffusion_model.double_blocks.0.img_attn.qkv", ["lora_A.weight", "lora_B.weight"]],
    ["ComfyUI", "diffusion_model.double_blocks.0.img_attn.qkv", undefined],
    ["fal", "base_model.model.double_blocks.0.img_attn.qkv", ["lora_A.weight", "lora_B.weight"]],
    ["the authors", "double_blocks.0.img_attn.qkv", ["lora_A.weight", "lora_B.weight"]],
    ["XLabs", "double_blocks.0.processor", ["qkv_lora1.down.weight", "qkv_lora1.up.weight"]],
    ["XLabs in ComfyUI", "diffusion_model.double_blocks.0.processor", ["qkv_lora1.down.weight", "qkv_lora1.up.weight"]],
  ])("is divided among query, key and value, by the names of %s", async (_, layer, ends) => {
    expect(await changed("flux-dev-mini", product(layer, WIDTH, 3 * WIDTH, ends))).toEqual(qkv);
  });

  it("is divided among the layers of a single block", async () => {
    const parts = { [`${SINGLE}.attn.to_q`]: 32, [`${SINGLE}.attn.to_k`]: 32, [`${SINGLE}.attn.to_v`]: 32 };
    expect(await changed("flux-dev-mini", product("lora_unet_single_blocks_0_linear1", WIDTH, 7 * WIDTH))).toEqual({
      ...parts,
      [`${SINGLE}.proj_mlp`]: 4 * WIDTH,
    });
    const ends = ["qkv_lora.down.weight", "qkv_lora.up.weight"];
    expect(await changed("flux-dev-mini", product("single_blocks.0.processor", WIDTH, 3 * WIDTH, ends))).toEqual(parts);
  });

  it.each([
    ["the text's in SD3", "sd3-mini", "lora_unet_joint_blocks_0_context_block_attn_qkv", "transformer_blocks.0.attn.add_{}_proj"],
    [
      "the second attention's in SD3.5",
      "sd35-mini",
      "diffusion_model.joint_blocks.0.x_block.attn2.qkv",
      "transformer_blocks.0.attn2.to_{}",
    ],
    ["Z-Image's", "z-image-mini", "diffusion_model.layers.1.attention.qkv", "layers.1.attention.to_{}"],
    ["Z-Image's by kohya-ss", "z-image-mini", "lora_unet_noise_refiner_0_attention_qkv", "noise_refiner.0.attention.to_{}"],
    ["FLUX.2's", "flux2-klein-base-mini", "lora_unet_double_blocks_0_txt_attn_qkv", "transformer_blocks.0.attn.add_{}_proj"],
    ["Chroma's", "chroma-mini", "lora_unet_double_blocks_0_img_attn_qkv", "transformer_blocks.0.attn.to_{}"],
  ])("may be %s", async (_, name, layer, paths) => {
    const expected = ["q", "k", "v"].map((letter) => [paths.replace("{}", letter), WIDTH]);
    expect(await changed(name, product(layer, WIDTH, 3 * WIDTH))).toEqual(Object.fromEntries(expected));
  });

  it("is one layer in FLUX.2's single blocks", async () => {
    expect(await changed("flux2-klein-base-mini", product("lora_unet_single_blocks_0_linear1", WIDTH, 9 * WIDTH))).toEqual({
      "single_transformer_blocks.0.attn.to_qkv_mlp_proj": 9 * WIDTH,
    });
  });

  it("keeps `down`, and each part reads its rows of `up`", async () => {
    const { changes } = await match(written(product("lora_unet_double_blocks_0_img_attn_qkv", WIDTH, 3 * WIDTH)), "flux-dev-mini");
    const layers = [...(changes.get("transformer")?.values() ?? [])].map(
      ({ weight }) => weight as { up: { offset: number }; down: unknown },
    );
    expect(layers.map(({ up }) => up.offset - (layers[0]?.up.offset ?? 0))).toEqual([0, WIDTH * 2 * 4, 2 * WIDTH * 2 * 4]);
    expect(new Set(layers.map(({ down }) => JSON.stringify(down))).size).toBe(1);
  });
});

describe("a layer of the same extent", () => {
  it.each([
    ["flux-dev-mini", "lora_unet_double_blocks_1_img_mlp_0", "transformer_blocks.1.ff.net.0.proj", 32, 128],
    ["flux-dev-mini", "lora_unet_double_blocks_1_txt_mod_lin", "transformer_blocks.1.norm1_context.linear", 32, 192],
    ["flux-dev-mini", "lora_unet_single_blocks_0_linear2", "single_transformer_blocks.0.proj_out", 160, 32],
    ["flux-dev-mini", "lora_unet_guidance_in_in_layer", "time_text_embed.guidance_embedder.linear_1", 256, 32],
    ["flux-dev-mini", "diffusion_model.img_in", "x_embedder", 64, 32],
    ["flux-dev-mini", "lora_unet_final_layer_linear", "proj_out", 32, 64],
    ["flux-dev-mini", "lora_transformer_single_transformer_blocks_0_attn_to_q", "single_transformer_blocks.0.attn.to_q", 32, 32],
    ["flux-dev-mini", "transformer.transformer_blocks.0.attn.to_add_out", "transformer_blocks.0.attn.to_add_out", 32, 32],
    ["flux2-klein-base-mini", "diffusion_model.sformer_blocks.0.ff.linear_in", "transformer_blocks.0.ff.linear_in", 32, 192],
    ["flux2-klein-base-mini", "lycoris_single_transformer_blocks_0_attn_to_out", "single_transformer_blocks.0.attn.to_out", 128, 32],
    ["flux2-klein-base-mini", "diffusion_model.single_stream_modulation.lin", "single_stream_modulation.linear", 32, 96],
    ["chroma-mini", "diffusion_model.distilled_guidance_layer.layers.0.in_layer", "distilled_guidance_layer.layers.0.linear_1", 32, 32],
    ["qwen-image-mini", "transformer_blocks.0.img_mlp.net.0.proj", "transformer_blocks.0.img_mlp.net.0.proj", 32, 128],
    ["qwen-image-mini", "lora_unet_transformer_blocks_1_txt_mod_1", "transformer_blocks.1.txt_mod.1", 32, 192],
    ["qwen-image-mini", "lora_unet_img_in", "img_in", 16, 32],
    ["sd3-mini", "lora_unet_joint_blocks_0_x_block_mlp_fc2", "transformer_blocks.0.ff.net.2", 128, 32],
    ["z-image-mini", "lora_unet_layers_0_attention_out", "layers.0.attention.to_out.0", 32, 32],
    ["z-image-mini", "lora_unet_context_refiner_0_feed_forward_w3", "context_refiner.0.feed_forward.w3", 32, 85],
    ["z-image-mini", "diffusion_model.final_layer.linear", "all_final_layer.2-1.linear", 32, 64],
  ])("of %s: %s", async (name, layer, path, ins, out) => {
    expect(await changed(name, product(layer, ins, out))).toEqual({ [path]: out });
  });

  it("may have the halves of its rows the other way round", async () => {
    const file = written(product("lora_unet_final_layer_adaLN_modulation_1", WIDTH, 2 * WIDTH));
    const { changes } = await match(file, "flux-dev-mini");
    expect(changes.get("transformer")?.get("norm_out.linear")?.weight).toMatchObject({ up: { swapsHalves: true } });
  });

  it("by diffusers' name has its rows in diffusers' order", async () => {
    const { changes } = await match(written(product("transformer.norm_out.linear", WIDTH, 2 * WIDTH)), "flux-dev-mini");
    expect(changes.get("transformer")?.get("norm_out.linear")?.weight).not.toHaveProperty("up.swapsHalves");
  });
});

describe("a T5", () => {
  const layer = "encoder.block.0.layer.1.DenseReluDense.wo";
  const underscored = layer.replaceAll(".", "_");

  it.each([
    ["flux-dev-mini", "text_encoder_2", `lora_te3_${underscored}`],
    ["flux-dev-mini", "text_encoder_2", `lora_te2_${underscored}`],
    ["flux-dev-mini", "text_encoder_2", `text_encoder_2.${layer}`],
    ["flux-dev-mini", "text_encoder_2", `text_encoders.t5xxl.transformer.${layer}`],
    ["sd3-mini", "text_encoder_3", `lora_te3_${underscored}`],
    ["sd3-mini", "text_encoder_3", `text_encoder_3.${layer}`],
    ["sd3-mini", "text_encoder_3", `text_encoders.t5xxl.transformer.${layer}`],
    ["chroma-mini", "text_encoder", `lora_te3_${underscored}`],
    ["chroma-mini", "text_encoder", `text_encoder.${layer}`],
  ] as const)("of %s is the %s: %s", async (name, part, prefix) => {
    const parts = ["transformer", "text_encoder", "text_encoder_2", "text_encoder_3"] as const;
    const there = parts.filter((each) => existsSync(checkpoint(`${name}/${each}`)));
    const targets = await Promise.all(
      there.map(async (each) => [each, { weights: await openWeights(openFolder(checkpoint(`${name}/${each}`)), {}) }] as const),
    );
    const t5 = new Map(targets).get(part)?.weights;
    const [out = 0, ins = 0] = t5?.get(`${layer}.weight`).shape ?? [];
    const file = written(product(prefix, ins, out));
    const { changes } = matchLora(await readLora(openFolder(dirname(file)), basename(file)), new Map(targets));
    expect([...changes].map(([each, layers]) => [each, ...layers.keys()])).toEqual([[part, layer]]);
  });
});

describe("a LoRA for another network", () => {
  const message = (file: string, name: string) =>
    match(file, name).then(
      () => expect.fail("it was applied"),
      (error: unknown) => {
        expect(error).toBeInstanceOf(CheckpointError);
        return `${(error as Error).message} | ${(error as CheckpointError).hint}`;
      },
    );

  it.each([
    ["flux-dev-mini_peft", "qwen-image-mini", "FLUX.1", "Qwen-Image"],
    ["flux-dev-mini_kohya", "flux2-klein-base-mini", "FLUX.1", "FLUX.2"],
    ["flux2-klein-base-mini_klein", "flux-dev-mini", "FLUX.2", "FLUX.1"],
    ["qwen-image-mini_lightning", "flux-dev-mini", "Qwen-Image", "FLUX.1"],
    ["qwen-image-mini_lightning", "sd3-mini", "Qwen-Image", "Stable Diffusion 3"],
    ["flux-dev-mini_peft", "sd3-mini", "FLUX.1", "Stable Diffusion 3"],
  ])("is refused, though some layers have the same names: %s on %s", async (file, name, family, own) => {
    expect(await message(loraFile(`${file}`), name)).toMatch(
      new RegExp(`is a LoRA for ${family}; this pipeline's transformer is of ${own} \\| .*checkpoint of ${family}$`),
    );
  });

  it.each([
    ["z-image-mini_z_kohya", "flux-dev-mini", "Z-Image"],
    ["flux-dev-mini_kohya", "qwen-image-mini", "FLUX.1"],
    ["flux-dev-mini_kohya", "z-image-mini", "FLUX.1"],
  ])("is refused if none of its layers is there: %s on %s", async (file, name, family) => {
    expect(await message(loraFile(`${file}`), name)).toMatch(
      new RegExp(`none of its \\d+ layers is in this pipeline's networks.*looks like a LoRA for ${family}`),
    );
  });

  it("is refused if only its text encoder's layers are there, as those of Stable Diffusion 1 in FLUX.1", async () => {
    const open = async (part: string) => ({ weights: await openWeights(openFolder(checkpoint(`flux-dev-mini/${part}`)), {}) });
    const targets = new Map([
      ["transformer", await open("transformer")],
      ["text_encoder", await open("text_encoder")],
    ] as const);
    const file = written({
      ...product("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", 768, 1280),
      ...product("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 16, 16),
    });
    const lora = await readLora(openFolder(dirname(file)), basename(file));
    expect(() => matchLora(lora, targets)).toThrow(
      /none of its 1 layers is in this pipeline's networks; its first tensor is lora_unet_mid/,
    );
  });

  it("is applied without the modulations if it is FLUX.1's and the network Chroma's, which is made from FLUX.1", async () => {
    const { changes, leftOut } = await match(loraFile("flux-dev-mini_kohya"), "chroma-mini");
    expect(changes.get("transformer")?.size).toBeGreaterThan(15);
    expect(leftOut.map(({ reason }) => reason)).toEqual(["fit no layer of this pipeline"]);
    expect(leftOut[0]?.tensors).toContain("lora_unet_double_blocks_0_img_mod_lin.lora_down.weight");
  });

  it("is refused by its name if it is a control LoRA", async () => {
    const norm = { "double_blocks.0.img_attn.norm.query_norm.scale": Tensor.zeros([16]) };
    const control = written({ ...product("double_blocks.0.img_attn.qkv", WIDTH, 3 * WIDTH, ["lora_A.weight", "lora_B.weight"]), ...norm });
    expect(await message(control, "flux-dev-mini")).toContain("is a control LoRA of FLUX.1 (such as Canny or Depth)");
  });
});
