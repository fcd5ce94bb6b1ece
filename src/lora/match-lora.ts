import { printable } from "../checkpoint/json.js";
import type { TensorRef } from "../checkpoint/safetensors.js";
import { todaysLayout, unetNames } from "../checkpoint/single-file/unet-names.js";
import { CheckpointError } from "../errors.js";
import type { LowRank, WeightSource } from "../graph/scope.js";
import type { Shape } from "../tensor/tensor.js";
import { baseFamily } from "./base-family.js";
import type { LoraFile, LoraLayer } from "./lora-file.js";
import type { LoraPart } from "./lora-names.js";

/** A network that a LoRA may change. */
export interface LoraTarget {
  readonly weights: WeightSource & { names(): readonly string[] };
}

/** What a LoRA changes in the networks of a pipeline. */
export interface MatchedLora {
  /** For each network the products added to its layers' weights, by the layers' paths. */
  readonly changes: ReadonlyMap<LoraPart, ReadonlyMap<string, LowRank>>;
  /** Names of tensors that belong to no layer of these networks. */
  readonly unmatched: readonly string[];
}

/** A layer's place in a network, and the shape of its weight. */
interface Place {
  readonly path: string;
  readonly shape: Shape;
}

/**
 * Finds the layers of a pipeline's networks that a LoRA changes.
 * @throws CheckpointError if there are none, or a matrix does not have the shape its layer asks for.
 */
export function matchLora(lora: LoraFile, targets: ReadonlyMap<LoraPart, LoraTarget>): MatchedLora {
  const places = new Map([...targets].map(([part, target]) => [part, placesOf(part, target)]));
  const changes = new Map<LoraPart, Map<string, LowRank>>();
  const unmatched = [...lora.strangers];
  for (const layer of lora.layers) {
    const place = places.get(layer.part)?.get(layer.layer);
    if (!place) unmatched.push(...[layer.down, layer.mid, layer.up].flatMap((tensor) => tensor?.name ?? []));
    else changes.set(layer.part, (changes.get(layer.part) ?? new Map()).set(place.path, lowRank(lora, layer, place)));
  }
  if (changes.size > 0) return { changes, unmatched };
  const family = baseFamily(lora.header);
  throw new CheckpointError(
    `${lora.name}: none of its ${lora.layers.length} layers is in this pipeline's networks; the first is ${printable(unmatched.at(lora.strangers.length) ?? "")}`,
    {
      hint: family
        ? `it looks like a LoRA for ${family}; use it with a checkpoint of that family`
        : "it was made for another kind of network",
    },
  );
}

/**
 * Every linear layer and convolution of a network under the names files may give it, dots as underscores: `mid_block_attentions_0_proj_in`. kohya-ss
 * keeps Stability's names for the UNets of Stable Diffusion XL.
 */
function placesOf(part: LoraPart, { weights }: LoraTarget): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  const names = weights.names();
  const originals = part === "unet" ? unetNames(todaysLayout(names)) : undefined;
  for (const name of names) {
    const path = /^(.+)\.weight$/.exec(name)?.[1];
    if (path === undefined || isTable(path, weights)) continue;
    const { shape } = weights.get(name);
    if (shape.length !== 2 && shape.length !== 4) continue;
    for (const alias of [path, originals?.original(path) ?? []].flat()) places.set(alias.replaceAll(".", "_"), { path, shape });
  }
  return places;
}

/** Embedding tables are looked up, not multiplied by. */
function isTable(path: string, weights: WeightSource): boolean {
  return path.endsWith("embedding") && !weights.has(`${path}.bias`);
}

function lowRank(lora: LoraFile, { down, mid, up, scale }: LoraLayer, { path, shape }: Place): LowRank {
  const [out = 0, ins = 0, kernel = 1] = shape;
  const [rank = 0, inner = 0] = [up.shape[1], down.shape[0]];
  const expect = (tensor: TensorRef, rows: number, columns: number, size: number) => {
    const [a, b, h = 1, w = 1, ...more] = tensor.shape;
    if (tensor.shape.length >= 2 && a === rows && b === columns && h === size && w === size && more.length === 0 && tensor.length > 0)
      return;
    const expected = size === 1 && kernel === 1 ? [rows, columns] : [rows, columns, size, size];
    const family = baseFamily(lora.header);
    throw new CheckpointError(
      `${lora.name}: tensor ${printable(tensor.name)} is [${tensor.shape.join(", ")}]; expected [${expected.join(", ")}] for ${path}, whose weight is [${shape.join(", ")}]`,
      { hint: `the LoRA was made for another network${family ? `: it looks like one for ${family}` : ""}` },
    );
  };
  expect(down, inner, ins, mid ? 1 : kernel);
  if (mid) expect(mid, rank, inner, kernel);
  expect(up, out, mid ? rank : inner, 1);
  return { down, up, scale, ...(mid && { mid }) };
}
