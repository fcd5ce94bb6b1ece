import { ArgumentError } from "../errors.js";
import { keyword } from "./attention.js";
import { findLoraTag } from "./lora-tags.js";
import { isScheduled } from "./schedule.js";

const andPattern = keyword("AND");

/** @throws ArgumentError if the prompt is several, composed with AND. */
export function refuseComposition(prompt: string): void {
  if (!andPattern.test(prompt)) return;
  throw new ArgumentError("the prompt joins several with AND (composable diffusion), which is not supported", {
    hint: "write one prompt, or the word in small letters",
  });
}

/** @throws ArgumentError if the prompt names a LoRA, which is no text for the encoder. */
export function refuseLoraTags(prompt: string): void {
  const tag = findLoraTag(prompt);
  if (tag === undefined) return;
  throw new ArgumentError(`the prompt holds the tag ${tag}`, {
    hint: "take the tags out with extractLoraTags and load what they name with pipe.loadLoraWeights",
  });
}

/** @throws ArgumentError if the prompt changes with the step, so that no one tensor holds its features. */
export function refuseSchedule(prompt: string): void {
  if (!isScheduled(prompt)) return;
  throw new ArgumentError(`the prompt changes with the step: ${JSON.stringify(prompt.slice(0, 200))}; its features are not one tensor`, {
    hint: "give generate the prompt itself",
  });
}
