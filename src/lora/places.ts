import { authorsLayers } from "../checkpoint/single-file/transformer-names.js";
import { diffusersLayout, unetNames } from "../checkpoint/single-file/unet-names.js";
import type { RowChoice } from "../graph/layer-change.js";
import type { WeightSource } from "../graph/scope.js";
import type { Shape } from "../tensor/tensor.js";
import type { Place } from "./layer-change.js";
import type { LoraPart } from "./lora-names.js";

/** A layer as files know it: one of the network's layers, or several that files have joined. */
export interface FilePlace extends Place {
  /** The network's layers. */
  readonly parts: readonly {
    readonly path: string;
    /** The rows of the joined layer that this one has; undefined for a layer that is the same in files. */
    readonly rows?: RowChoice;
  }[];
}

/** The layers of a network by all their names in files, with underscores instead of dots: `mid_block_attentions_0_proj_in`. */
export type Places = ReadonlyMap<string, FilePlace>;

/** The names and shapes of a network's weights. */
type NamedWeights = WeightSource & { names(): readonly string[] };

/**
 * All linear layers, convolutions and norms of a network. kohya-ss uses the authors' names for Stable Diffusion XL's UNet and for
 * transformers; ComfyUI, ai-toolkit and OneTrainer use them for all denoisers. XLabs has its own for FLUX.1.
 */
export function placesOf(part: LoraPart, weights: NamedWeights): Places {
  const places = new Map<string, FilePlace>();
  const names = weights.names();
  const originals = part === "unet" ? unetNames(diffusersLayout(names)) : undefined;
  const put = (alias: string, place: FilePlace) => places.set(alias.replaceAll(".", "_"), place);
  for (const name of names) {
    const path = /^(.+)\.weight$/.exec(name)?.[1];
    if (path === undefined || isTable(path, weights)) continue;
    const { shape } = weights.get(name);
    if (![1, 2, 4].includes(shape.length)) continue;
    for (const alias of [path, originals?.original(path) ?? []].flat()) put(alias, { path, shape, parts: [{ path }] });
  }
  if (part !== "transformer") return places;
  for (const { original, layers, swapsHalves } of authorsLayers(names)) {
    const place = joined(original, layers, swapsHalves, weights);
    if (!place) continue;
    put(original, place);
    // XLabs changes query, key and value of FLUX.1's single blocks, not the linear layer beside them.
    const [, block] = /^(single_blocks\.\d+)\.linear1$/.exec(original) ?? [];
    const attention = block && layers.length > 1 ? joined(`${block}.qkv`, layers.slice(0, 3), false, weights) : undefined;
    if (attention) put(attention.path, attention);
    const [, last] = /^(single_blocks\.\d+)\.linear2$/.exec(original) ?? [];
    if (last) put(`${last}.proj`, place);
  }
  return places;
}

/** A layer that files have joined of `layers`, or whose rows they have in another order. */
function joined(original: string, layers: readonly string[], swapsHalves: boolean, weights: NamedWeights): FilePlace | undefined {
  const shapes = layers.map((layer) => weights.get(`${layer}.weight`).shape);
  const [[, ...columns] = []] = shapes;
  const heights = shapes.map(([rows = 0]) => rows);
  const of = heights.reduce((sum, rows) => sum + rows, 0);
  const shape: Shape = [of, ...columns];
  if (swapsHalves) {
    const ranges = [
      [of / 2, of],
      [0, of / 2],
    ] as const;
    return { path: original, shape, parts: layers.map((path) => ({ path, rows: { of, ranges } })) };
  }
  if (layers.length === 1) return { path: original, shape, parts: layers.map((path) => ({ path })) };
  let start = 0;
  const parts = layers.map((path, i) => {
    const range = [start, start + (heights[i] ?? 0)] as const;
    start = range[1];
    return { path, rows: { of, ranges: [range] as const } };
  });
  return { path: original, shape, parts };
}

/** Whether the weight at this path is an embedding table, which a LoRA cannot change. */
function isTable(path: string, weights: WeightSource): boolean {
  return TABLES.test(path) && !weights.has(`${path}.bias`);
}

const TABLES = /(embedding|(^|\.)(embed_tokens|relative_attention_bias|shared))$/;
