import type { Model } from "../api/types.js";

/** Prompts to begin with, for models that say none of their own. */
const EXAMPLES = [
  "a lighthouse on a cliff at dusk, oil painting",
  "a red fox in deep snow, soft morning light",
  "a small green house plant on a wooden desk, photograph",
];

/** Prompts that a model makes good pictures of. */
export function examplesFor(model: Model | undefined): readonly string[] {
  return model?.defaults?.examplePrompts ?? EXAMPLES;
}
