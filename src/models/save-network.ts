import type { JsonObject } from "../checkpoint/json.js";
import { DIFFUSERS_VERSION, type SavedDType, type SavePretrainedOptions } from "../checkpoint/saving.js";
import type { Weights } from "../checkpoint/weights.js";
import { jsonBytes, snakeCaseKeys } from "../checkpoint/write-json.js";
import type { OutputTensor } from "../checkpoint/write-safetensors.js";
import { type Library, writeWeights } from "../checkpoint/write-weights.js";
import type { NetworkAdapters } from "../lora/network-adapters.js";
import type { OutputFolder } from "../platform/output-folder.js";
import type { Engine } from "../runtime/engine.js";
import type { Shape } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { expectSavable, fusedTensor, isFused } from "./fused-tensor.js";
import { savedBytes, savedTensor } from "./saved-tensors.js";

/** A network that is saved. */
export interface SavedNetwork {
  readonly className: string;
  /** `config.json` as the checkpoint has it. */
  readonly json: JsonObject;
  /** The config with defaults, in camelCase. */
  readonly config: unknown;
  readonly library: Library;
  readonly modelType: string | undefined;
  readonly weights: Weights;
  readonly adapters: NetworkAdapters;
  readonly engine: Engine;
  /** The name that the library gives to a tensor. */
  readonly nameOf: (name: string) => string;
}

/** Writes a network's `config.json` and weights. */
export async function saveNetwork(output: OutputFolder, network: SavedNetwork, options: SavePretrainedOptions): Promise<void> {
  const { weights, adapters, engine, nameOf } = network;
  expectSavable(weights, adapters);
  const { unfusedNames } = adapters;
  if (unfusedNames.length > 0) {
    warn(
      `${output.name}: the LoRAs ${unfusedNames.join(", ")} are active but not fused, so they are not saved. fuseLora() adds them to the weights`,
    );
  }
  const tensors = weights.names().map((name): OutputTensor => {
    const stored = weights.get(name);
    output.needs(stored.file);
    const shape = savedShape(name, stored.shape);
    const compute = isFused(name, adapters) || stored.packing ? () => fusedTensor(name, shape, { weights, adapters, engine }) : undefined;
    return savedTensor(stored, { name: nameOf(name), shape, dtype: options.dtype, compute });
  });
  await saveNetworkConfig(output, network, tensors);
  await writeWeights(output, network.library, tensors, options);
}

/** Writes a network's `config.json`: what the checkpoint's has, and the class's defaults. */
export async function saveNetworkConfig(
  output: OutputFolder,
  { className, json, config, library, modelType }: SavedNetwork,
  tensors: readonly OutputTensor[] = [],
): Promise<void> {
  const fields = snakeCaseKeys(config as JsonObject);
  // Quantised weights are saved as the numbers that they stand for.
  const { torch_dtype: stated, dtype = stated, transformers_version: _, quantization_config: __, ...own } = json;
  const all = Object.fromEntries(Object.entries({ ...fields, ...own }).filter(([key]) => !key.startsWith("_")));
  const origin: JsonObject =
    library === "diffusers"
      ? { _class_name: className, _diffusers_version: DIFFUSERS_VERSION }
      : {
          architectures: [className],
          model_type: json.model_type ?? modelType ?? null,
          ...(tensors.length > 0 || dtype !== undefined ? { dtype: commonDType(tensors) ?? dtype ?? "float32" } : {}),
        };
  await output.write("config.json", jsonBytes({ ...all, ...origin }));
}

/** Bytes of all weights that are saved. */
export function savedNetworkBytes(weights: Weights, dtype: SavedDType | undefined): number {
  return weights.names().reduce((sum, name) => sum + savedBytes(weights.get(name), dtype), 0);
}

/** transformers loads a network in the dtype that its config states. */
function commonDType(tensors: readonly OutputTensor[]): string | undefined {
  const names: Readonly<Record<string, string>> = { F16: "float16", BF16: "bfloat16", F32: "float32", F64: "float64" };
  return tensors.flatMap(({ dtype }) => names[dtype] ?? [])[0];
}

/** In the original layout, the attention of an autoencoder is made of 1x1 convolutions. diffusers has linear layers. */
function savedShape(name: string, shape: Shape): Shape {
  const isLinear = /\battentions\.\d+\.(to_[qkv]|to_out\.0)\.weight$/.test(name);
  const length = name.endsWith(".bias") ? 1 : isLinear ? 2 : shape.length;
  return shape.length > length && shape.slice(length).every((extent) => extent === 1) ? shape.slice(0, length) : shape;
}
