import { printable } from "../checkpoint/json.js";
import { CheckpointError } from "../errors.js";
import type { LayerChange } from "../graph/layer-change.js";
import type { WeightSource } from "../graph/scope.js";
import { baseFamily, loraTransformerFamily } from "./base-family.js";
import { layerChange } from "./layer-change.js";
import { asCheckpointError, type LeftOut, type LoraFile, type LoraLayer, merged, NO_LAYER, namesOf, REPEATED } from "./lora-file.js";
import type { LoraPart } from "./lora-names.js";
import { partOfChange } from "./part-of-change.js";
import { type Places, placesOf } from "./places.js";
import { transformerFamily } from "./transformer-family.js";

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

/** Norms that only control LoRAs hold, whole, in their authors' layout and in diffusers'. */
const CONTROL_NORM = /(_norm\.scale|\.attn\.norm_(added_)?[qk]\.weight)$/;

/** The networks that denoise: a pipeline has one of them. */
const DENOISERS: readonly LoraPart[] = ["unet", "transformer"];

/** Layers that take the text features. Their width differs between families. */
const CROSS_ATTENTION = /\.attn2\.to_[kv]$/;

/**
 * Finds the layers of a pipeline's networks that a LoRA changes.
 * @throws CheckpointError if it changes none and holds no embedding, or if it is for another family of checkpoints.
 */
export function matchLora(lora: LoraFile, targets: ReadonlyMap<LoraPart, LoraTarget>): MatchedLora {
  refuseControl(lora);
  const places = new Map([...targets].map(([part, target]) => [part, placesOf(part, target.weights)]));
  const changes = new Map<LoraPart, Map<string, LayerChange>>();
  const leftOut: LeftOut[] = [...lora.leftOut];
  for (const layer of lora.layers) {
    const part = partOf(layer, places);
    const place = places.get(part)?.get(layer.layer);
    const tensors = namesOf(layer.tensors);
    const known = changes.get(part) ?? new Map<string, LayerChange>();
    if (!place) leftOut.push({ tensors, reason: NO_LAYER });
    else if (place.parts.some(({ path }) => known.has(path))) leftOut.push({ tensors, reason: REPEATED });
    else {
      try {
        const { change, leftOut: unused } = layerChange(lora, layer, place);
        const parts = place.parts.map(({ path, rows }) => [path, rows ? partOfChange(change, rows, place.path) : change] as const);
        for (const [path, own] of parts) known.set(path, own);
        changes.set(part, known);
        leftOut.push(...unused);
      } catch (thrown) {
        const error = asCheckpointError(thrown);
        if (CROSS_ATTENTION.test(place.path)) throw error;
        leftOut.push({ tensors, reason: "have other shapes than their layers need", error });
      }
    }
  }
  expectSameKind(lora, targets, changes);
  if (changes.size === 0 && lora.embeddings.length === 0) throw leftOut.find(({ error }) => error)?.error ?? noneMatches(lora);
  if (leftOut.some(({ reason, tensors }) => reason === NO_LAYER && tensors.length > 0)) expectSameFamily(lora, places.get("transformer"));
  return { changes, leftOut: merged(leftOut) };
}

/** The text encoder of a LoRA for another denoiser may fit: several families have the same CLIP. Such a LoRA is not applied in part. */
function expectSameKind(lora: LoraFile, targets: ReadonlyMap<LoraPart, LoraTarget>, changes: ReadonlyMap<LoraPart, unknown>): void {
  const own = DENOISERS.find((part) => targets.has(part));
  const other = lora.layers.some(({ part }) => DENOISERS.includes(part) && part !== own);
  if (own !== undefined && other && changes.size > 0 && !changes.has(own)) throw noneMatches(lora);
}

/**
 * Transformers of several families have layers of the same names and widths, so that a part of a LoRA fits the wrong one. Chroma is made
 * from FLUX.1: LoRAs of the one are used with the other.
 */
function expectSameFamily(lora: LoraFile, places: Places | undefined): void {
  const own =
    places &&
    transformerFamily(
      [...places].map(
        ([
          layer,
          {
            shape: [out, ins],
          },
        ]) => ({ layer, out, ins }),
      ),
    );
  const family = loraTransformerFamily(lora.header);
  if (own === undefined || family === undefined) return;
  const fitting = family.split(" or ").flatMap((name) => (name === "FLUX.1" || name === "Chroma" ? ["FLUX.1", "Chroma"] : [name]));
  if (fitting.includes(own)) return;
  throw new CheckpointError(`${lora.name} is a LoRA for ${family}; this pipeline's transformer is of ${own}`, {
    hint: `use it with a checkpoint of ${family}`,
  });
}

/**
 * The network that a layer belongs to. Files name the T5 of any pipeline `te3` or `t5xxl`; it is the first, second or third text encoder.
 */
function partOf({ part, layer }: LoraLayer, places: ReadonlyMap<LoraPart, Places>): LoraPart {
  if (!layer.startsWith("encoder_block_") || places.get(part)?.has(layer)) return part;
  return [...places].find(([, own]) => own.has(layer))?.[0] ?? part;
}

/** FLUX.1's control LoRAs (Canny, Depth) give the network more inputs and other norms. */
function refuseControl({ name, header }: LoraFile): void {
  const norm = [...header.tensors.keys()].find((tensor) => CONTROL_NORM.test(tensor));
  if (norm === undefined) return;
  throw new CheckpointError(
    `${name} is a control LoRA of FLUX.1 (such as Canny or Depth): its tensor ${printable(norm)} replaces a norm. Darkroom does not apply these`,
    { hint: "use an ordinary LoRA, or edit pictures with FLUX.1 Kontext" },
  );
}

function noneMatches(lora: LoraFile): CheckpointError {
  const family = baseFamily(lora.header);
  const own = lora.layers.filter(({ part }) => DENOISERS.includes(part));
  const layers = own.length > 0 ? own : lora.layers;
  const [first = ""] = layers.flatMap(({ tensors }) => namesOf(tensors));
  return new CheckpointError(
    `${lora.name}: none of its ${layers.length} layers is in this pipeline's networks; its first tensor is ${printable(first)}`,
    {
      hint: family
        ? `it looks like a LoRA for ${family}; use it with a checkpoint of that family`
        : "it was made for another kind of network",
    },
  );
}
