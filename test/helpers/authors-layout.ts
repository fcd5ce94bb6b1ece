import { concat, type Tensor } from "../../src/tensor/tensor.js";
import type { Tensors } from "./checkpoints.js";

type Rename = readonly (readonly [from: string, to: string])[];

const FLUX: Rename = [
  ["time_text_embed.timestep_embedder.linear_1", "time_in.in_layer"],
  ["time_text_embed.timestep_embedder.linear_2", "time_in.out_layer"],
  ["time_text_embed.text_embedder.linear_1", "vector_in.in_layer"],
  ["time_text_embed.text_embedder.linear_2", "vector_in.out_layer"],
  ["time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer"],
  ["time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer"],
  ["time_guidance_embed.timestep_embedder.linear_1", "time_in.in_layer"],
  ["time_guidance_embed.timestep_embedder.linear_2", "time_in.out_layer"],
  ["_modulation_img.linear", "_modulation_img.lin"],
  ["_modulation_txt.linear", "_modulation_txt.lin"],
  ["single_stream_modulation.linear", "single_stream_modulation.lin"],
  ["context_embedder", "txt_in"],
  ["x_embedder", "img_in"],
];
const DOUBLE: Rename = [
  ["norm1.linear", "img_mod.lin"],
  ["norm1_context.linear", "txt_mod.lin"],
  ["attn.norm_q.weight", "img_attn.norm.query_norm.scale"],
  ["attn.norm_k.weight", "img_attn.norm.key_norm.scale"],
  ["attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale"],
  ["attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale"],
  ["ff.net.0.proj", "img_mlp.0"],
  ["ff.net.2", "img_mlp.2"],
  ["ff_context.net.0.proj", "txt_mlp.0"],
  ["ff_context.net.2", "txt_mlp.2"],
  ["ff.linear_in", "img_mlp.0"],
  ["ff.linear_out", "img_mlp.2"],
  ["ff_context.linear_in", "txt_mlp.0"],
  ["ff_context.linear_out", "txt_mlp.2"],
  ["attn.to_out.0", "img_attn.proj"],
  ["attn.to_add_out", "txt_attn.proj"],
  ["attn.qkv", "img_attn.qkv"],
  ["attn.added_qkv", "txt_attn.qkv"],
];
const SINGLE: Rename = [
  ["norm.linear", "modulation.lin"],
  ["attn.norm_q.weight", "norm.query_norm.scale"],
  ["attn.norm_k.weight", "norm.key_norm.scale"],
  ["proj_out", "linear2"],
  ["attn.qkv", "linear1"],
  ["attn.to_qkv_mlp_proj", "linear1"],
  ["attn.to_out", "linear2"],
];
const SD3: Rename = [
  ["pos_embed.proj", "x_embedder.proj"],
  ["pos_embed.pos_embed", "pos_embed"],
  ["time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0"],
  ["time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2"],
  ["time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0"],
  ["time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2"],
  ["proj_out", "final_layer.linear"],
  ["norm_out.linear", "final_layer.adaLN_modulation.1"],
];
const SD3_BLOCK: Rename = [
  ["norm1.linear", "x_block.adaLN_modulation.1"],
  ["norm1_context.linear", "context_block.adaLN_modulation.1"],
  ["attn.norm_q", "x_block.attn.ln_q"],
  ["attn.norm_k", "x_block.attn.ln_k"],
  ["attn.norm_added_q", "context_block.attn.ln_q"],
  ["attn.norm_added_k", "context_block.attn.ln_k"],
  ["attn.to_out.0", "x_block.attn.proj"],
  ["attn.to_add_out", "context_block.attn.proj"],
  ["attn2.to_out.0", "x_block.attn2.proj"],
  ["attn2.norm_q", "x_block.attn2.ln_q"],
  ["attn2.norm_k", "x_block.attn2.ln_k"],
  ["ff.net.0.proj", "x_block.mlp.fc1"],
  ["ff.net.2", "x_block.mlp.fc2"],
  ["ff_context.net.0.proj", "context_block.mlp.fc1"],
  ["ff_context.net.2", "context_block.mlp.fc2"],
  ["attn2.qkv", "x_block.attn2.qkv"],
  ["attn.qkv", "x_block.attn.qkv"],
  ["attn.added_qkv", "context_block.attn.qkv"],
];
const Z_IMAGE: Rename = [
  ["all_x_embedder.2-1", "x_embedder"],
  ["all_final_layer.2-1", "final_layer"],
  ["attention.norm_q", "attention.q_norm"],
  ["attention.norm_k", "attention.k_norm"],
  ["attention.to_out.0", "attention.out"],
];

/**
 * A transformer's tensors in its authors' names and divisions, from diffusers'. A port of /work/shared/oracle/original_layout.py, written
 * apart from what reads such files; hashes of Python's tensors show that it is right.
 */
export function authorsLayout(className: string, given: Tensors): Tensors {
  const tensors = fusedTensors(given);
  switch (className) {
    case "QwenImageTransformer2DModel":
      return given;
    case "ZImageTransformer2DModel":
      return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [renamed(name, Z_IMAGE), tensor]));
    case "SD3Transformer2DModel":
      return sd3(tensors);
    default:
      return flux(tensors);
  }
}

function flux(tensors: Tensors): Tensors {
  const entries = Object.entries(tensors).map(([name, tensor]): [string, Tensors[string]] => {
    const [, stack, rest = ""] = /^(transformer_blocks|single_transformer_blocks)\.(.+)$/.exec(name) ?? [];
    const index = rest.split(".")[0];
    const layer = rest.slice(rest.indexOf(".") + 1);
    if (stack === "transformer_blocks") return [`double_blocks.${index}.${renamed(layer, DOUBLE)}`, tensor];
    if (stack !== undefined) return [`single_blocks.${index}.${renamed(layer, SINGLE)}`, tensor];
    if (name.startsWith("distilled_guidance_layer.")) {
      const own = name.replace("linear_1", "in_layer").replace("linear_2", "out_layer");
      return [own.includes(".norms.") ? own.replace(".weight", ".scale") : own, tensor];
    }
    if (name.startsWith("norm_out.")) return [name.replace("norm_out.linear", "final_layer.adaLN_modulation.1"), swappedHalves(tensor)];
    if (name.startsWith("proj_out.")) return [name.replace("proj_out", "final_layer.linear"), tensor];
    return [renamed(name, FLUX), tensor];
  });
  return Object.fromEntries(entries);
}

function sd3(tensors: Tensors): Tensors {
  const indices = Object.keys(tensors).map((name) => Number(/^transformer_blocks\.(\d+)/.exec(name)?.[1] ?? 0));
  const last = `transformer_blocks.${Math.max(...indices)}.norm1_context.linear`;
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    const [, index, layer = ""] = /^transformer_blocks\.(\d+)\.(.+)$/.exec(name) ?? [];
    const own = index === undefined ? renamed(name, SD3) : `joint_blocks.${index}.${renamed(layer, SD3_BLOCK)}`;
    return [own, name.startsWith("norm_out.linear") || name.startsWith(last) ? swappedHalves(tensor) : tensor] as const;
  });
  return Object.fromEntries(entries);
}

/** Joins queries, keys, values, and in single blocks the perceptron's first layer. */
function fusedTensors(given: Tensors): Tensors {
  const tensors = { ...given };
  const join = (first: string, names: readonly string[], to: string) => {
    if (!names.every((name) => name in tensors)) return;
    const parts = names.map((name) => tensors[name] as Tensor);
    for (const name of names) delete tensors[name];
    tensors[to] = concat(parts);
    if (!(first in given)) throw new Error(`there is no ${first}`);
  };
  for (const name of Object.keys(given)) {
    const others = (...ends: readonly string[]) => ends.map((end) => name.replace("to_q", end));
    const added = (...ends: readonly string[]) => ends.map((end) => name.replace("add_q_proj", end));
    if (/single_transformer_blocks\.\d+\.attn\.to_q\./.test(name)) {
      const perceptron = name.replace("attn.to_q", "proj_mlp");
      join(name, [...others("to_q", "to_k", "to_v"), perceptron], name.replace("to_q", "qkv"));
    } else if (/\.(attn2?|attention)\.to_q\./.test(name)) join(name, others("to_q", "to_k", "to_v"), name.replace("to_q", "qkv"));
    else if (/\.attn\.add_q_proj\./.test(name))
      join(name, added("add_q_proj", "add_k_proj", "add_v_proj"), name.replace("add_q_proj", "added_qkv"));
  }
  return tensors;
}

/** The first name of the list that is at the beginning of `name`, or of a layer in it. */
function renamed(name: string, table: Rename): string {
  const found = table.find(([from]) => `.${name}`.includes(`.${from}`) || (from.startsWith("_") && name.includes(from)));
  return found ? name.replace(found[0], found[1]) : name;
}

function swappedHalves(tensor: Tensors[string]): Tensors[string] {
  const [first, second] = (tensor as Tensor).chunk(2);
  return concat([second as Tensor, first as Tensor]) as Tensors[string];
}

/** The same tensors with a prefix before their names. */
export function prefixed(tensors: Tensors, prefix: string): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]));
}

/** A tensor's bytes. */
export function bytesOf({ data }: Tensors[string]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
