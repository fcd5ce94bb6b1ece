import { concat, type Tensor } from "../../tensor/tensor.js";

/** Features of texts: every token's [rows, tokens, features], and, for XL, pooled ones [rows, width]. */
export interface TextFeatures {
  readonly embeds: Tensor;
  readonly pooled?: Tensor | undefined;
}

/** Several encoders' features of the same texts beside each other; the pooled ones are the last's. */
export function joinEncoders(features: readonly TextFeatures[]): TextFeatures {
  return { embeds: concat(fieldOf(features, "embeds"), -1), pooled: features.at(-1)?.pooled };
}

/** Features of several texts below each other. */
export function joinRows(features: readonly TextFeatures[]): TextFeatures {
  const pooled = fieldOf(features, "pooled");
  return { embeds: concat(fieldOf(features, "embeds")), pooled: pooled.length > 0 ? concat(pooled) : undefined };
}

/** Features with every tensor changed. */
export function mapFeatures({ embeds, pooled }: TextFeatures, change: (tensor: Tensor) => Tensor): TextFeatures {
  return { embeds: change(embeds), pooled: pooled && change(pooled) };
}

function fieldOf(features: readonly TextFeatures[], field: keyof TextFeatures): readonly Tensor[] {
  return features.flatMap((each) => each[field] ?? []);
}
