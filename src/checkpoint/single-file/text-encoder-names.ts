import { rowsOf } from "../../tensor/stored-tensor.js";
import type { HeaderTensor } from "../safetensors.js";
import { inside, LayerNames, type NamePair, type Naming } from "./layer-names.js";

/** A tensor of a file, or a piece of one, under a name of its own. */
export interface Piece {
  readonly name: string;
  readonly stored: HeaderTensor;
}

/** OpenAI's CLIP, as transformers names it; `text_model.` may be missing, as in the oldest files. */
export const CLIP_NAMES: Naming = {
  today: (name) => /^(?:text_model\.)?((embeddings|encoder|final_layer_norm)\..+)$/.exec(name)?.[1],
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

/** LAION's OpenCLIP of so many layers, its fused projections taken apart by {@link openClipPieces}. */
export function openClipNames(layers: number): Naming {
  const pairs = Array.from({ length: layers }, (_, i) => inside(`transformer.resblocks.${i}`, `encoder.layers.${i}`, OPEN_CLIP_LAYER));
  const names = new LayerNames([...OPEN_CLIP, ...pairs.flat()]);
  return {
    today: (name) => names.today(name),
    original: (name) =>
      names
        .original(name)
        ?.replace(/\.[qkv]_proj\.(weight|bias)$/, ".in_proj_$1")
        .replace(/^text_projection\.weight$/, "text_projection"),
  };
}

/** How many layers the OpenCLIP has whose tensors in the file are called `names`. */
export function openClipLayers(names: Iterable<string>): number {
  let layers = 0;
  for (const name of names) layers = Math.max(layers, Number(/^transformer\.resblocks\.(\d{1,2})\./.exec(name)?.[1] ?? -1) + 1);
  return layers;
}

/** A tensor of an OpenCLIP as today's layers have it: query, key and value each on their own, and the projection of the pooled features as a layer's weight. */
export function openClipPieces({ name, stored }: Piece): readonly Piece[] {
  if (name === "text_projection") {
    // The original multiplies features by it from the right, a layer by its weight's transpose.
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
