import type { StoredTensor } from "../tensor/stored-tensor.js";
import type { Value } from "./graph.js";

/** What an attention layer attends to beside its context: the tokens that an IP-Adapter makes of pictures (Ye et al. 2023). */
export interface ImagePrompt {
  /** [batch, images, tokens, width] */
  readonly tokens: Value;
  /** The adapter's weight of the layer's keys [inner, width]. */
  readonly key: StoredTensor;
  /** The adapter's weight of the layer's values [inner, width]. */
  readonly value: StoredTensor;
  /** How strongly it acts: a number [1, 1, 1] for all pictures or, with a mask, one for each. */
  readonly scales: readonly Value[];
  /** Where each picture acts, for a layer with so many queries [1, images, queries]; undefined: all act everywhere. */
  readonly mask?: ((queries: number) => Value) | undefined;
}

/** The image prompts of the attention layer at `path`. */
export type ImagePrompts = (path: string) => readonly ImagePrompt[];
