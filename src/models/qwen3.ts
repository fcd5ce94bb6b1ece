import * as v from "valibot";
import { count, depth } from "../checkpoint/schema.js";
import { hiddenActivationName } from "../layers/basic.js";
import type { Folder } from "../platform/folder.js";
import { checkHeads, LanguageModel } from "./language-model.js";
import { type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { ropeFields, thetaOf } from "./rope-config.js";

const schema = v.object({
  /** Tokens in the vocabulary; 151936 by default. */
  vocabSize: v.nullish(count, 151936),
  /** Width of each token's features; 4096 by default. */
  hiddenSize: v.nullish(count, 4096),
  /** Width of the hidden layer in each perceptron; 22016 by default. */
  intermediateSize: v.nullish(count, 22016),
  /** Transformer layers; 32 by default. */
  numHiddenLayers: v.nullish(depth, 32),
  /** Attention heads of each layer; 32 by default. */
  numAttentionHeads: v.nullish(count, 32),
  /** Heads of keys and values, each for several heads of queries; 32 by default. */
  numKeyValueHeads: v.nullish(count, 32),
  /** Channels of a head; 128 by default. */
  headDim: v.nullish(count, 128),
  /** The activation function of the perceptrons; "silu" by default. */
  hiddenAct: v.nullish(hiddenActivationName, "silu"),
  /** Added to the mean square in the norms; 1e-6 by default. */
  rmsNormEps: v.nullish(v.number(), 1e-6),
  /** Whether tokens attend to the nearest tokens only. Darkroom computes false, the default. */
  useSlidingWindow: v.nullish(v.literal(false), false),
  ...ropeFields,
});

/** `config.json` of a Qwen3 language model, with transformers' defaults. @interface */
export type Qwen3Config = v.InferOutput<typeof schema>;

/**
 * Qwen3's text decoder (Yang et al. 2025), the prompt encoder of Z-Image and FLUX.2 klein. Matches transformers' Qwen3Model. It opens
 * checkpoints of Qwen3ForCausalLM, too, whose output layer it does not read.
 */
export class Qwen3Model extends LanguageModel<Qwen3Config> {
  protected override readonly modelType = "qwen3";

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<Qwen3Model> {
    return new Qwen3Model(await openModel("Qwen3Model", schema, source, options, checkHeads, ["Qwen3ForCausalLM"]));
  }

  /**
   * Opens the model from a single file, safetensors or GGUF. Its config comes from the tensors' shapes, or from the folder `config`.
   * @throws CheckpointError, ConfigError, DeviceError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<Qwen3Model> {
    return Qwen3Model.fromPretrained(...(await singleFileModel(path, "text_encoder", options)));
  }

  protected get decoder() {
    return { ...this.config, normsHeads: true };
  }

  protected get theta(): number {
    return thetaOf(this.config, 10_000);
  }
}
