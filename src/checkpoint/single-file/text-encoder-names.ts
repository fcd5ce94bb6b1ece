import { rowsOf } from "../../tensor/stored-tensor.js";
import type { HeaderTensor } from "../safetensors.js";
import { inside, LayerNames, type NamePair, type Naming } from "./layer-names.js";

/** A tensor of a file or a part of one, with a name. */
export interface Piece {
  readonly name: string;
  readonly stored: HeaderTensor;
}

/** OpenAI's CLIP with the names of transformers. The oldest files lack `text_model.`. */
export const CLIP_NAMES: Naming = {
  diffusers: (name) => /^(?:text_model\.)?((embeddings|encoder|final_layer_norm)\..+)$/.exec(name)?.[1],
  original: (name) => `text_model.${name}`,
};

const OPEN_CLIP: readonly NamePair[] = [
  ["positional_embedding", "embeddings.position_embedding.weight"],
  ["token_embedding", "embeddings.token_embedding"],
  ["ln_final", "final_layer_norm"],
  ["text_projection", "text_projection"],
];
const OPEN_CLIP_LAYER: readonly NamePair[] = [
  ["ln_1", "layer_norm1"],
  ["ln_2", "layer_norm2"],
  ["mlp.c_fc", "mlp.fc1"],
  ["mlp.c_proj", "mlp.fc2"],
  ["attn", "self_attn"],
];

/** LAION's OpenCLIP with this many layers, after {@link openClipPieces} has split its fused projections. */
export function openClipNames(layers: number): Naming {
  const pairs = Array.from({ length: layers }, (_, i) => inside(`transformer.resblocks.${i}`, `encoder.layers.${i}`, OPEN_CLIP_LAYER));
  const names = new LayerNames([...OPEN_CLIP, ...pairs.flat()]);
  return {
    diffusers: (name) => names.diffusers(name),
    original: (name) =>
      names
        .original(name)
        ?.replace(/\.[qkv]_proj\.(weight|bias)$/, ".in_proj_$1")
        .replace(/^text_projection\.weight$/, "text_projection"),
  };
}

/** The number of layers of an OpenCLIP with these tensors in its file. */
export function openClipLayers(names: Iterable<string>): number {
  let layers = 0;
  for (const name of names) layers = Math.max(layers, Number(/^transformer\.resblocks\.(\d{1,2})\./.exec(name)?.[1] ?? -1) + 1);
  return layers;
}

/**
 * The weights that a tensor of OpenCLIP holds: separate ones for query, key and value. The projection of the pooled features is transposed.
 */
export function openClipPieces({ name, stored }: Piece): readonly Piece[] {
  if (name === "text_projection") {
    // The original code multiplies features by this matrix, a linear layer by its weight's transpose.
    return [{ name: "text_projection.weight", stored: { ...stored, shape: stored.shape.toReversed(), transposed: true } }];
  }
  const [, attention, kind] = /^(.+\.attn)\.in_proj_(weight|bias)$/.exec(name) ?? [];
  const [rows = 0] = stored.shape;
  if (attention === undefined || rows % 3 !== 0) return [{ name, stored }];
  return ["q", "k", "v"].map((projection, i) => ({
    name: `${attention}.${projection}_proj.${kind}`,
    stored: rowsOf(stored, (i * rows) / 3, ((i + 1) * rows) / 3),
  }));
}
