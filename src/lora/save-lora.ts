import type { JsonObject } from "../checkpoint/json.js";
import { pythonJson } from "../checkpoint/write-json.js";
import { ArgumentError } from "../errors.js";
import { changesWeight, type LayerChange } from "../graph/layer-change.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import type { Shape } from "../tensor/tensor.js";
import type { LoraPart } from "./lora-names.js";

/** A matrix of a LoRA, with the name and shape that it gets in a file. */
export interface LoraMatrix {
  readonly name: string;
  readonly shape: Shape;
  readonly stored: StoredTensor;
}

/** What a LoRA's file holds. */
export interface LoraContents {
  readonly matrices: readonly LoraMatrix[];
  /** PEFT's config for each network, as the file's metadata. */
  readonly config: string;
}

/** An adapter's changes in one network. */
export interface NetworkChanges {
  readonly part: LoraPart;
  readonly layers: ReadonlyMap<string, LayerChange>;
  /** The number of axes of a layer's weight. */
  readonly axesOf: (path: string) => number;
}

/**
 * An adapter in PEFT's layout, as diffusers writes it. @throws ArgumentError if it is not a plain LoRA: this layout holds nothing else.
 */
export function loraContents(adapter: string, networks: readonly NetworkChanges[]): LoraContents {
  const matrices: LoraMatrix[] = [];
  const config: Record<string, JsonObject[string]> = {};
  for (const { part, layers, axesOf } of networks) {
    const [ranks, alphas]: [Record<string, number>, Record<string, number>] = [{}, {}];
    for (const [path, change] of layers) {
      if (!changesWeight(change) || change.magnitude || change.bias) throw otherMethod(adapter, path, change);
      const { weight: lora } = change;
      if (lora.method !== "lora" || lora.mid) throw otherMethod(adapter, path, change);
      // transformers' older CLIP text encoders are inside a `text_model`. diffusers removes it for the newer ones.
      const name = /^encoder\.layers\./.test(path) ? `${part}.text_model.${path}` : `${part}.${path}`;
      const shaped = ({ shape }: StoredTensor) => (axesOf(path) === 2 ? shape.slice(0, 2) : [...shape, 1, 1].slice(0, 4));
      matrices.push({ name: `${name}.lora_A.weight`, shape: shaped(lora.down), stored: lora.down });
      matrices.push({ name: `${name}.lora_B.weight`, shape: shaped(lora.up), stored: lora.up });
      // PEFT finds layers by the ends of their paths, so that these fit both versions.
      ranks[path] = lora.down.shape[0] ?? 1;
      alphas[path] = lora.scale * (lora.down.shape[0] ?? 1);
    }
    for (const [key, value] of Object.entries(peftConfig(ranks, alphas))) config[`${part}.${key}`] = value;
  }
  return { matrices, config: pythonJson(config).trimEnd() };
}

/** The fields of PEFT's LoraConfig. The most frequent rank and alpha are those of all layers, the others are exceptions. */
function peftConfig(ranks: Readonly<Record<string, number>>, alphas: Readonly<Record<string, number>>): JsonObject {
  const [r, alpha] = [mostFrequent(Object.values(ranks)), mostFrequent(Object.values(alphas))];
  const except = (values: Readonly<Record<string, number>>, usual: number) =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== usual));
  return {
    r,
    lora_alpha: alpha,
    rank_pattern: except(ranks, r),
    alpha_pattern: except(alphas, alpha),
    target_modules: Object.keys(ranks).sort(),
    use_dora: false,
    lora_bias: false,
  };
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, each) => (each[1] > best[1] ? each : best), [values[0] ?? 1, 0] as [number, number])[0];
}

function otherMethod(adapter: string, path: string, { weight, bias, ...change }: LayerChange): ArgumentError {
  const what =
    weight === undefined || bias
      ? "changes a bias"
      : weight.method !== "lora"
        ? `is ${weight.method}, not LoRA`
        : "magnitude" in change
          ? "is DoRA"
          : "is in Tucker form";
  return new ArgumentError(`the adapter ${adapter} cannot be saved: in ${path} it ${what}; diffusers' layout holds plain LoRAs only`, {
    argument: "adapterName",
    hint: "keep its own file, or fuse it and save the pipeline",
  });
}
