import { ArgumentError } from "../errors.js";
import { isPlain, wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, isListOf, real } from "../options/fields.js";

/** How strongly an adapter changes one network. */
export interface AdapterWeight {
  /** The weight of layers whose block has no weight of its own. */
  readonly all: number;
  /** Weights by the names that {@link blockOf} returns. */
  readonly blocks?: ReadonlyMap<string, number> | undefined;
}

/** Weights of a UNet's blocks: a number, or a list with one for each transformer of the block: `{ block_1: [0.5, 1] }`. */
export type BlockWeights = Readonly<Record<`block_${number}`, number | readonly number[]>>;

/** Weights of a UNet's three parts. Each is 1 by default. */
export interface UNetWeights {
  /** Weight of the blocks on the way down: one for all, or by block. */
  readonly down?: number | BlockWeights | undefined;
  /** Weight of the middle block. */
  readonly mid?: number | undefined;
  /** Weight of the blocks on the way up: one for all, or by block. */
  readonly up?: number | BlockWeights | undefined;
}

/** How strongly an adapter changes each network of a pipeline. Each weight is 1 by default. */
export interface LoraPartWeights {
  /** Weight in the UNet: one for all, or by block. */
  readonly unet?: number | UNetWeights | undefined;
  /** Weight in the transformer. */
  readonly transformer?: number | undefined;
  /** Weight in the text encoder. */
  readonly textEncoder?: number | undefined;
  /** Weight in the second text encoder. */
  readonly textEncoder2?: number | undefined;
  /** Weight in the third text encoder. */
  readonly textEncoder3?: number | undefined;
}

/** An adapter's weight: 1 as it was trained, 0 for no effect. Less than 0 and more than 1 are allowed. */
export type LoraWeight = number | LoraPartWeights;

const blocks = field<number | BlockWeights>(
  (value) =>
    Number.isFinite(value) ||
    (isPlain(value) && Object.values(value).every((each) => Number.isFinite(each) || isListOf(each, Number.isFinite))),
  "a number, or numbers by block: { block_1: 0.5 }",
  "number",
);

const UNET_FIELDS: Fields<UNetWeights> = { down: blocks, mid: real(), up: blocks };

/** @throws ArgumentError unless `weight` is a number or an object of numbers. Does not check whether the pipeline has the networks. */
export function expectLoraWeight(weight: unknown): void {
  if (weight === undefined || weight === null || Number.isFinite(weight)) return;
  if (!isPlain(weight))
    throw wrongArgument("weights", weight, "a number, or an object with one for each network: { unet: 0.8, textEncoder: 1 }", {
      type: "number",
    });
  for (const name of ["unet", "transformer", "textEncoder", "textEncoder2", "textEncoder3"] as const) {
    const { [name]: value } = weight;
    if (value === undefined || value === null || Number.isFinite(value)) continue;
    if (name !== "unet" || !isPlain(value)) throw wrongArgument(`weights.${name}`, value, "a finite number", { type: "number" });
    checkOptions<UNetWeights>(value, UNET_FIELDS, { call: "setAdapters", prefix: "unet." });
  }
}

/** The block of a UNet that a layer shares its weight with: a transformer, and the resnet block before it. "" for all other layers. */
export function blockOf(path: string): string {
  const [, way, level, index] = /^(down_blocks|up_blocks)\.(\d+)\.\w+\.(\d+)\./.exec(path) ?? [];
  if (way) return `${way}.${level}.${index}`;
  return path.startsWith("mid_block.attentions.0.") ? "mid_block" : "";
}

/** The weight of the layers in `block`. */
export function weightOf({ all, blocks }: AdapterWeight, block: string): number {
  return blocks?.get(block) ?? all;
}

/**
 * Expands a UNet's weight to one for each block. `layers` are the paths of the UNet's layers. Follows diffusers' _maybe_expand_lora_scales.
 * @throws ArgumentError if a weight is not a number, if a block does not exist or has no transformers, or if a list has the wrong length.
 */
export function unetWeight(weight: number | UNetWeights, layers: Iterable<string>): AdapterWeight {
  if (typeof weight === "number") return { all: finite("unet", weight) };
  const transformers = transformersOf(layers);
  const blocks = new Map<string, number>();
  if (weight.mid !== undefined) blocks.set("mid_block", finite("unet.mid", weight.mid));
  for (const way of ["down", "up"] as const) {
    const given = weight[way] ?? {};
    const levels = transformers[way];
    const byBlock = typeof given === "number" ? Object.fromEntries([...levels.keys()].map((level) => [`block_${level}`, given])) : given;
    for (const [name, value] of Object.entries(byBlock)) {
      const level = Number(/^block_(\d+)$/.exec(name)?.[1]);
      const count = levels.get(level);
      if (count === undefined) {
        const known = [...levels.keys()].map((i) => `block_${i}`).join(", ");
        throw new ArgumentError(`unet.${way} has a weight for ${name}; its blocks with transformers are ${known}`);
      }
      const list =
        typeof value === "number" || value.length === 1
          ? Array.from({ length: count }, () => (typeof value === "number" ? value : value[0]))
          : value;
      if (list.length !== count) {
        throw new ArgumentError(`unet.${way}.${name} has ${list.length} weights; expected ${count}, one for each transformer of the block`);
      }
      for (const [i, one] of list.entries()) blocks.set(`${way}_blocks.${level}.${i}`, finite(`unet.${way}.${name}`, one));
    }
  }
  return { all: 1, blocks };
}

/** The weight, if it is a finite number. @throws ArgumentError if it is not. */
export function finite(name: string, weight: number | undefined): number {
  if (typeof weight === "number" && Number.isFinite(weight)) return weight;
  throw new ArgumentError(`the weight of ${name} is ${weight}; expected a number`);
}

/** How many transformers each level of a UNet has. */
function transformersOf(layers: Iterable<string>): Record<"down" | "up", Map<number, number>> {
  const counts = { down: new Map<number, number>(), up: new Map<number, number>() };
  for (const path of layers) {
    const [, way, level, index] = /^(down|up)_blocks\.(\d+)\.attentions\.(\d+)\./.exec(path) ?? [];
    if (!way) continue;
    const levels = counts[way as "down" | "up"];
    levels.set(Number(level), Math.max(levels.get(Number(level)) ?? 0, Number(index) + 1));
  }
  return counts;
}
