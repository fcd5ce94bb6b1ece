import type { CLIPTextModel } from "../../models/clip-text.js";
import { concat, type Tensor } from "../../tensor/tensor.js";
import type { CLIPTokenizer } from "../../tokenizer/clip.js";
import type { PerStep } from "../shared/per-step.js";

/** One of CLIP's text encoders and its tokenizer, by the encoder's subfolder. */
export interface ClipTextEncoder {
  readonly name: "text_encoder" | "text_encoder_2";
  readonly tokenizer: CLIPTokenizer;
  readonly model: CLIPTextModel;
}

/** Features that CLIP's text encoders make. */
export type ClipFeatures = {
  /** Features of every token [rows, tokens, features]. */
  readonly promptEmbeds: Tensor;
  /** Features of the whole text [rows, width], for XL. */
  readonly pooledPromptEmbeds?: Tensor | undefined;
};

/** How a family of checkpoints reads prompts. */
export interface ClipReading {
  /** Their features are joined token by token; the pooled ones are the last encoder's. */
  readonly encoders: readonly ClipTextEncoder[];
  /** What the family uses of a text encoder's output for ids [rows, tokens]. */
  readonly read: (model: CLIPTextModel, inputIds: Tensor<"int64">, clipSkip: number | undefined) => Promise<ClipFeatures>;
  /** Parts that are needed to read prompts and that the pipeline does not have, by property name. */
  readonly missing: readonly string[];
  /** Width of the pooled features, for families that use them; "width" if it is not known. */
  readonly pooledWidth?: number | "width" | undefined;
  /** Without a negative prompt, its features are zeros instead of those of the empty text. */
  readonly zerosForEmpty?: boolean | undefined;
}

/** For each encoder a text for each row; undefined if the request has features instead. */
export interface PromptTexts {
  readonly positive?: readonly (readonly string[])[] | undefined;
  readonly negative?: readonly (readonly string[])[] | undefined;
}

/** How texts are encoded. */
export interface EncodeOptions {
  readonly clipSkip: number | undefined;
  /** The number of tokens of the features that the request has. */
  readonly tokens: number | undefined;
  /** The number of steps; undefined if it is not known. Then no text may change with the step. */
  readonly steps: number | undefined;
}

/** Features of {@link PromptTexts}. */
export interface EncodedTexts {
  readonly positive?: PerStep<ClipFeatures> | undefined;
  readonly negative?: PerStep<ClipFeatures> | undefined;
}

/** Features of several encoders, joined token by token; the pooled ones are the last encoder's. */
export function joinEncoders(features: readonly ClipFeatures[]): ClipFeatures {
  return {
    promptEmbeds: concat(
      features.map(({ promptEmbeds }) => promptEmbeds),
      -1,
    ),
    pooledPromptEmbeds: features.at(-1)?.pooledPromptEmbeds,
  };
}
