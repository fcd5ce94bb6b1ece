import { ArgumentError } from "../errors.js";
import { keyword } from "./attention.js";
import { findLoraTag } from "./lora-tags.js";
import { isScheduled } from "./schedule.js";

const andPattern = keyword("AND");

/** @throws ArgumentError if the prompt consists of several prompts, joined with AND. */
export function refuseComposition(prompt: string): void {
  if (!andPattern.test(prompt)) return;
  throw new ArgumentError("the prompt joins several prompts with AND (composable diffusion), which is not supported", {
    hint: "write one prompt, or write AND in lower case",
  });
}

/** @throws ArgumentError if the prompt has a LoRA tag, which is not text for the encoder. */
export function refuseLoraTags(prompt: string): void {
  const tag = findLoraTag(prompt);
  if (tag === undefined) return;
  throw new ArgumentError(`the prompt has the tag ${tag}`, {
    hint: "remove the tags with extractLoraTags, and load the LoRAs with pipe.loadLoraWeights",
  });
}

/** @throws ArgumentError if the prompt changes with the step: one tensor cannot hold its features. */
export function refuseSchedule(prompt: string): void {
  if (!isScheduled(prompt)) return;
  throw new ArgumentError(
    `the prompt changes with the step: ${JSON.stringify(prompt.slice(0, 200))}; one tensor cannot hold its features`,
    {
      hint: "give the prompt to generate instead",
    },
  );
}
