import { concat, type Tensor } from "../../tensor/tensor.js";
import type { PerStep } from "../shared/per-step.js";
import type { PromptInput, TextEmbeds } from "./prompt-options.js";

/**
 * Tensors made of texts, a row for each text. Each has the name of the request's option that can replace it: `promptEmbeds`,
 * `pooledPromptEmbeds`, ... Only the pipeline knows what they are and how its network uses them.
 */
export type TextFeatures = Readonly<Record<string, Tensor | undefined>>;

/** Features of a call's prompts, a row for each picture. */
export interface EncodedPrompt<Features extends TextFeatures> {
  readonly positive: Features;
  /** Features of the negative prompts; undefined without guidance. */
  readonly negative?: Features | undefined;
}

/** The run that prompts are encoded for. */
export interface EncodingFor {
  /** Whether negative prompts are encoded as well. */
  readonly isGuided: boolean;
  /** The number of steps; undefined if it is not known. Then no prompt may change with the step. */
  readonly steps?: number | undefined;
}

/** The text encoders of a pipeline with their tokenizers: they make features of prompts. */
export interface TextEncoders<Options extends PromptInput<TextEmbeds> = PromptInput, Features extends TextFeatures = TextFeatures> {
  /**
   * Features of the prompts and, for guidance, of the negative prompts, each repeated for its pictures. Features in the request are used as
   * they are.
   * @throws ArgumentError for a wrong request
   */
  encode(options: Options, run: EncodingFor): Promise<PerStep<EncodedPrompt<Features>>>;
}

/** Features of several texts, joined row by row. */
export function joinRows<Features extends TextFeatures>(features: readonly Features[]): Features {
  const names = Object.keys(features[0] ?? {});
  const joined = names.flatMap((name) => {
    const rows = features.flatMap((each) => each[name] ?? []);
    return rows.length > 0 ? [[name, concat(rows)]] : [];
  });
  return Object.fromEntries(joined) as Features;
}

/** The item `times` times. */
export function repeat<Item>(item: Item, times: number): Item[] {
  return Array.from({ length: times }, () => item);
}

/** The features with `change` applied to every tensor. */
export function mapFeatures<Features extends TextFeatures>(features: Features, change: (tensor: Tensor) => Tensor): Features {
  return Object.fromEntries(Object.entries(features).map(([name, tensor]) => [name, tensor && change(tensor)])) as Features;
}

/** The encoded prompts by the names of a request's options: `promptEmbeds`, `negativePromptEmbeds`, ... */
export function embedsOf({ positive, negative = {} }: EncodedPrompt<TextFeatures>): TextFeatures {
  const named = (features: TextFeatures, nameOf: (name: string) => string) =>
    Object.entries(features).flatMap(([name, tensor]) => (tensor ? [[nameOf(name), tensor]] : []));
  return Object.fromEntries([...named(positive, (name) => name), ...named(negative, nameOfNegative)]);
}

/** The name of a feature of negative prompts: `negativePromptEmbeds` for `promptEmbeds`. */
export function nameOfNegative(name: string): string {
  return `negative${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
