import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DType } from "../../src/tensor/dtype.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import type { Tensors } from "./checkpoints.js";
import { checkpoint } from "./fixtures.js";
import { readTensors, writeSafetensors } from "./safetensors.js";
import { temporaryFolder } from "./temporary.js";

// Single files in the original layout out of the tiny checkpoints, as diffusers' scripts convert_diffusers_to_original_*.py make them.
// `../fixtures/single-file/names.json` has what these scripts made, and a test compares these files with it.

/** Changes in a single file. */
export interface SingleFileChanges {
  /** Changes the tensors. */
  readonly tensors?: (tensors: Tensors) => Tensors;
  readonly metadata?: Record<string, string>;
}

/** A single file made of the tiny checkpoint `name`. It is removed when the test ends. */
export function singleFile(name: string, { tensors = (same) => same, metadata }: SingleFileChanges = {}): string {
  const path = join(temporaryFolder(), `${name}.safetensors`);
  writeSafetensors(path, tensors(originalTensors(name)), metadata);
  return path;
}

/** The tensors of an autoencoder in a folder such as `flux-dev-mini/vae` under their original names. */
export function originalVae(path: string): Tensors {
  return vae(readPart(path));
}

/** The tensors of a tiny checkpoint under their original names. */
export function originalTensors(name: string): Tensors {
  const part = (subfolder = "") => readPart(join(name, subfolder));
  switch (name) {
    case "vae-swap-mini":
      return vae(part());
    case "controlnet-mini":
      return controlNet(part());
    case "sd1-mini":
    case "sd1-inpaint-mini":
      return { ...networks(name), ...prefixed("cond_stage_model.transformer.", clip(part("text_encoder").tensors)) };
    // sd1-mini with a UNet that sees a picture to edit.
    case "edit-mini":
      return {
        ...originalTensors("sd1-mini"),
        ...prefixed("model.diffusion_model.", unet(part("../options/unet-edit"))),
      };
    case "sd2-mini":
      return { ...networks(name), ...prefixed("cond_stage_model.model.", openClip(part("text_encoder").tensors)) };
    case "sdxl-base-mini":
      return {
        ...networks(name),
        ...prefixed("conditioner.embedders.0.transformer.", clip(part("text_encoder").tensors)),
        ...prefixed("conditioner.embedders.1.model.", openClip(part("text_encoder_2").tensors)),
      };
    case "sdxl-refiner-mini":
      return { ...networks(name), ...prefixed("conditioner.embedders.0.model.", openClip(part("text_encoder_2").tensors)) };
    // AnimateDiff's own names; the reverse of diffusers' convert_animatediff_checkpoint_to_diffusers.
    case "motion-adapter":
    case "motion-adapter-v3":
      return motion(readPart(`options/${name}`));
    default:
      throw new Error(`no single file is made of ${name}`);
  }
}

interface Part {
  readonly tensors: Tensors;
  readonly config: Readonly<Record<string, unknown>>;
}

function readPart(path: string): Part {
  const folder = checkpoint(path);
  const [file = ""] = readdirSync(folder).filter((each) => each.endsWith(".safetensors") && !each.includes("fp16"));
  return { tensors: readTensors(join(folder, file)), config: JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) };
}

function networks(name: string): Tensors {
  return {
    ...prefixed("model.diffusion_model.", unet(readPart(join(name, "unet")))),
    ...prefixed("first_stage_model.", vae(readPart(join(name, "vae")))),
  };
}

function prefixed(prefix: string, tensors: Tensors): Tensors {
  return renamed(tensors, (name) => prefix + name);
}

function renamed(tensors: Tensors, rename: (name: string) => string): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]));
}

/** Replaces the first of these parts of a name that fit; each pair is today's and the original's. */
function replaced(name: string, pairs: readonly (readonly [RegExp, string | ((...groups: string[]) => string)])[]): string {
  return pairs.reduce((current, [today, original]) => current.replace(today, original as string), name);
}

function unet({ tensors, config }: Part): Tensors {
  const layers = config.layers_per_block as number;
  const up = (config.up_block_types ?? []) as string[];
  const block = (i: string, j: string) => (layers + 1) * Number(i) + Number(j);
  return renamed(tensors, (name) =>
    replaced(name, [
      [/^time_embedding\.linear_(\d)/, (_, n = "") => `time_embed.${2 * Number(n) - 2}`],
      [/^add_embedding\.linear_(\d)/, (_, n = "") => `label_emb.0.${2 * Number(n) - 2}`],
      [/^conv_in/, "input_blocks.0.0"],
      [/^conv_norm_out/, "out.0"],
      [/^conv_out/, "out.2"],
      [/(resnets\.\d)\.norm1/, "$1.in_layers.0"],
      [/(resnets\.\d)\.conv1/, "$1.in_layers.2"],
      [/(resnets\.\d)\.norm2/, "$1.out_layers.0"],
      [/(resnets\.\d)\.conv2/, "$1.out_layers.3"],
      [/(resnets\.\d)\.time_emb_proj/, "$1.emb_layers.1"],
      [/(resnets\.\d)\.conv_shortcut/, "$1.skip_connection"],
      [/^down_blocks\.(\d)\.resnets\.(\d)/, (_, i = "", j = "") => `input_blocks.${block(i, j) + 1}.0`],
      [/^down_blocks\.(\d)\.attentions\.(\d)/, (_, i = "", j = "") => `input_blocks.${block(i, j) + 1}.1`],
      [/^down_blocks\.(\d)\.downsamplers\.0\.conv/, (_, i = "") => `input_blocks.${block(i, String(layers + 1))}.0.op`],
      [/^mid_block\.resnets\.(\d)/, (_, j = "") => `middle_block.${2 * Number(j)}`],
      [/^mid_block\.attentions\.0/, "middle_block.1"],
      [/^up_blocks\.(\d)\.resnets\.(\d)/, (_, i = "", j = "") => `output_blocks.${block(i, j)}.0`],
      [/^up_blocks\.(\d)\.attentions\.(\d)/, (_, i = "", j = "") => `output_blocks.${block(i, j)}.1`],
      [
        /^up_blocks\.(\d)\.upsamplers\.0/,
        (_, i = "") => `output_blocks.${block(i, String(layers))}.${up[Number(i)]?.startsWith("CrossAttn") ? 2 : 1}`,
      ],
    ]),
  );
}

function controlNet({ tensors, config }: Part): Tensors {
  const named = renamed(tensors, (name) =>
    replaced(name, [
      [/^controlnet_cond_embedding\.conv_in/, "input_hint_block.0"],
      [/^controlnet_cond_embedding\.blocks\.(\d)/, (_, i = "") => `input_hint_block.${2 * Number(i) + 2}`],
      // Its position in the full-sized network.
      [/^controlnet_cond_embedding\.conv_out/, "input_hint_block.14"],
      [/^controlnet_down_blocks\.(\d)/, "zero_convs.$1.0"],
      [/^controlnet_mid_block/, "middle_block_out.0"],
    ]),
  );
  return unet({ tensors: named, config });
}

function motion({ tensors }: Part): Tensors {
  const named = renamed(tensors, (name) =>
    replaced(name, [
      [/(motion_modules\.\d)\./, "$1.temporal_transformer."],
      [/\.norm1\./, ".norms.0."],
      [/\.norm2\./, ".norms.1."],
      [/\.norm3\./, ".ff_norm."],
      [/\.pos_embed\./, ".attention_blocks.0.pos_encoder."],
      [/\.attn1\./, ".attention_blocks.0."],
      [/\.attn2\./, ".attention_blocks.1."],
    ]),
  );
  const places = Object.entries(named).flatMap(([name, tensor]) =>
    name.includes("pos_encoder") ? [[name.replace("attention_blocks.0", "attention_blocks.1"), tensor] as const] : [],
  );
  return { ...named, ...Object.fromEntries(places) };
}

function vae({ tensors, config }: Part): Tensors {
  const last = (config.block_out_channels as number[]).length - 1;
  const named = renamed(tensors, (name) =>
    replaced(name, [
      [/conv_shortcut/, "nin_shortcut"],
      [/conv_norm_out/, "norm_out"],
      [/mid_block\.attentions\.0\.group_norm/, "mid.attn_1.norm"],
      [/mid_block\.attentions\.0\.(to_q|query)/, "mid.attn_1.q"],
      [/mid_block\.attentions\.0\.(to_k|key)/, "mid.attn_1.k"],
      [/mid_block\.attentions\.0\.(to_v|value)/, "mid.attn_1.v"],
      [/mid_block\.attentions\.0\.(to_out\.0|proj_attn)/, "mid.attn_1.proj_out"],
      [/mid_block\.resnets\.(\d)/, (_, j = "") => `mid.block_${Number(j) + 1}`],
      [/down_blocks\.(\d)\.resnets\.(\d)/, "down.$1.block.$2"],
      [/down_blocks\.(\d)\.downsamplers\.0/, "down.$1.downsample"],
      [/up_blocks\.(\d)\.resnets\.(\d)/, (_, i = "", j = "") => `up.${last - Number(i)}.block.${j}`],
      [/up_blocks\.(\d)\.upsamplers\.0/, (_, i = "") => `up.${last - Number(i)}.upsample`],
    ]),
  );
  const isProjection = (name: string) => /mid\.attn_1\.(q|k|v|proj_out)\.weight$/.test(name);
  return mapTensors(named, (name, tensor) => (isProjection(name) ? tensor.reshape([...tensor.shape, 1, 1]) : tensor));
}

/** As transformers names CLIP's layers; since version 5 it leaves out a prefix that such files have. */
function clip(tensors: Tensors): Tensors {
  return renamed(tensors, (name) => (name.startsWith("text_") ? name : `text_model.${name}`));
}

function openClip(tensors: Tensors): Tensors {
  const named = renamed(clip(tensors), (name) =>
    replaced(name, [
      [/^text_model\.encoder\.layers/, "transformer.resblocks"],
      [/layer_norm(\d)/, "ln_$1"],
      [/\.fc1\./, ".c_fc."],
      [/\.fc2\./, ".c_proj."],
      [/\.self_attn/, ".attn"],
      [/^text_model\.final_layer_norm/, "ln_final"],
      [/^text_model\.embeddings\.token_embedding/, "token_embedding"],
      [/^text_model\.embeddings\.position_embedding\.weight/, "positional_embedding"],
      [/^text_projection\.weight/, "text_projection"],
    ]),
  );
  const fused: Record<string, Tensor<DType>> = {};
  for (const [name, tensor] of Object.entries(named)) {
    const [, layer, projection, kind] = /^(.+)\.([qkv])_proj\.(weight|bias)$/.exec(name) ?? [];
    if (layer === undefined) fused[name] = name === "text_projection" ? turned(tensor as Tensor) : tensor;
    else if (projection === "q") {
      const all = ["q", "k", "v"].map((each) => named[`${layer}.${each}_proj.${kind}`] as Tensor);
      fused[`${layer}.in_proj_${kind}`] = concat(all);
    }
  }
  return fused;
}

function mapTensors(tensors: Tensors, change: (name: string, tensor: Tensor<DType>) => Tensor<DType>): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(name, tensor)]));
}

function turned({ shape: [rows = 0, columns = 0], data }: Tensor): Tensor {
  const transpose = Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] as number);
  return new Tensor("float32", [columns, rows], transpose);
}
