import { type AuthorsLayer, authorsLayers } from "../checkpoint/single-file/transformers/authors-layers.js";
import { diffusersLayout, unetNames } from "../checkpoint/single-file/unet-names.js";
import type { WeightSource } from "../graph/scope.js";
import type { Place } from "./layer-change.js";
import type { LoraPart } from "./lora-names.js";
import type { PartRows } from "./part-of-change.js";

/** A layer as files know it: one of the network's layers, or several that files have joined. */
export interface FilePlace extends Place {
  /** The network's layers. */
  readonly parts: readonly {
    readonly path: string;
    /** The rows of the joined layer that this one has; undefined for a layer that is the same in files. */
    readonly rows?: PartRows;
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
  const authors = part === "transformer" ? authorsLayers(names, (name) => weights.get(name).shape) : [];
  for (const layer of authors.flatMap((own) => [own, ...xlabsLayers(own)])) put(layer.original, joined(layer));
  return places;
}

/** XLabs trains FLUX.1's single blocks without the perceptron that is beside the attention. */
function xlabsLayers({ original, shape: [, ...columns], parts }: AuthorsLayer): readonly AuthorsLayer[] {
  const [, block, layer] = /^(single_blocks\.\d+)\.linear([12])$/.exec(original) ?? [];
  if (block === undefined) return [];
  if (layer === "2") return [{ original: `${block}.proj`, shape: [parts[0]?.rows[1] ?? 0, ...columns], parts }];
  const attention = parts.length === 4 ? parts.slice(0, 3) : [];
  return attention.length > 0 ? [{ original: `${block}.qkv`, shape: [attention.at(-1)?.rows[1] ?? 0, ...columns], parts: attention }] : [];
}

/** A layer that files have joined of several, or whose rows they have in another order. */
function joined({ original, shape, parts }: AuthorsLayer): FilePlace {
  const [of = 0] = shape;
  const isWhole = parts.length === 1 && !parts[0]?.swapsHalves;
  return {
    path: original,
    shape,
    parts: parts.map(({ path, rows: range, swapsHalves }) => ({ path, ...(!isWhole && { rows: { of, range, swapsHalves } }) })),
  };
}

/** Whether the weight at this path is an embedding table, which a LoRA cannot change. */
function isTable(path: string, weights: WeightSource): boolean {
  return TABLES.test(path) && !weights.has(`${path}.bias`);
}

const TABLES = /(embedding|(^|\.)(embed_tokens|relative_attention_bias|shared))$/;
