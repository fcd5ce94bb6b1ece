import { printable } from "../checkpoint/json.js";
import { diffusersLayout, unetNames } from "../checkpoint/single-file/unet-names.js";
import { CheckpointError } from "../errors.js";
import type { LayerChange } from "../graph/layer-change.js";
import type { WeightSource } from "../graph/scope.js";
import { baseFamily } from "./base-family.js";
import { layerChange, type Place } from "./layer-change.js";
import { asCheckpointError, type LeftOut, type LoraFile, merged, NO_LAYER, namesOf, REPEATED } from "./lora-file.js";
import type { LoraPart } from "./lora-names.js";

/** A network that a LoRA can change. */
export interface LoraTarget {
  readonly weights: WeightSource & { names(): readonly string[] };
}

/** What a LoRA changes in the networks of a pipeline. */
export interface MatchedLora {
  /** For each network, the changes of its layers by path. */
  readonly changes: ReadonlyMap<LoraPart, ReadonlyMap<string, LayerChange>>;
  /** The tensors that are not applied. */
  readonly leftOut: readonly LeftOut[];
}

/** Layers that take the text features. Their width differs between families. */
const CROSS_ATTENTION = /\.attn2\.to_[kv]$/;

/**
 * Finds the layers of a pipeline's networks that a LoRA changes.
 * @throws CheckpointError if it changes none and holds no embedding, or if it is for another family of checkpoints.
 */
export function matchLora(lora: LoraFile, targets: ReadonlyMap<LoraPart, LoraTarget>): MatchedLora {
  const places = new Map([...targets].map(([part, target]) => [part, placesOf(part, target)]));
  const changes = new Map<LoraPart, Map<string, LayerChange>>();
  const leftOut: LeftOut[] = [...lora.leftOut];
  for (const layer of lora.layers) {
    const place = places.get(layer.part)?.get(layer.layer);
    const tensors = namesOf(layer.tensors);
    const known = changes.get(layer.part) ?? new Map<string, LayerChange>();
    if (!place) leftOut.push({ tensors, reason: NO_LAYER });
    else if (known.has(place.path)) leftOut.push({ tensors, reason: REPEATED });
    else {
      try {
        const { change, leftOut: unused } = layerChange(lora, layer, place);
        changes.set(layer.part, known.set(place.path, change));
        leftOut.push(...unused);
      } catch (thrown) {
        const error = asCheckpointError(thrown);
        if (CROSS_ATTENTION.test(place.path)) throw error;
        leftOut.push({ tensors, reason: "have other shapes than their layers need", error });
      }
    }
  }
  if (changes.size === 0 && lora.embeddings.length === 0) throw leftOut.find(({ error }) => error)?.error ?? noneMatches(lora);
  return { changes, leftOut: merged(leftOut) };
}

function noneMatches(lora: LoraFile): CheckpointError {
  const family = baseFamily(lora.header);
  const [first = ""] = lora.layers.flatMap(({ tensors }) => namesOf(tensors));
  return new CheckpointError(
    `${lora.name}: none of its ${lora.layers.length} layers is in this pipeline's networks; its first tensor is ${printable(first)}`,
    {
      hint: family
        ? `it looks like a LoRA for ${family}; use it with a checkpoint of that family`
        : "it was made for another kind of network",
    },
  );
}

/**
 * All linear layers, convolutions and norms of a network, by all their names in files, with underscores instead of dots:
 * `mid_block_attentions_0_proj_in`. kohya-ss uses Stability's names for Stable Diffusion XL's UNet; ComfyUI and OneTrainer use them for all
 * UNets.
 */
export function placesOf(part: LoraPart, { weights }: LoraTarget): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  const names = weights.names();
  const originals = part === "unet" ? unetNames(diffusersLayout(names)) : undefined;
  for (const name of names) {
    const path = /^(.+)\.weight$/.exec(name)?.[1];
    if (path === undefined || isTable(path, weights)) continue;
    const { shape } = weights.get(name);
    if (![1, 2, 4].includes(shape.length)) continue;
    for (const alias of [path, originals?.original(path) ?? []].flat()) places.set(alias.replaceAll(".", "_"), { path, shape });
  }
  return places;
}

/** Whether the weight at this path is an embedding table, which a LoRA cannot change. */
function isTable(path: string, weights: WeightSource): boolean {
  return path.endsWith("embedding") && !weights.has(`${path}.bias`);
}
