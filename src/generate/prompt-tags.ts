import { ArgumentError } from "../errors.js";
import { findLoraTag, type LoraTag, parseLoraTags } from "../prompt/lora-tags.js";
import type { RunRequest } from "./request.js";

/** A prompt and the LoRAs it names. */
export interface TaggedPrompt {
  /** The prompt without its tags; undefined if none was given. */
  readonly prompt: string | undefined;
  readonly loras: readonly LoraTag[];
}

/**
 * Takes the LoRA tags out of the prompt.
 * @throws ArgumentError for a malformed tag, or one in the negative prompt.
 */
export function readTags({ prompt: written, negativePrompt = "" }: Pick<RunRequest, "prompt" | "negativePrompt">): TaggedPrompt {
  const tag = findLoraTag(negativePrompt);
  if (tag !== undefined) {
    throw new ArgumentError(
      (name) => `${name("negativePrompt")} holds the tag ${tag}; a LoRA changes the networks, whichever prompt names it`,
      {
        argument: "negativePrompt",
        hint: "put the tag into the prompt; a negative weight draws away from what the LoRA was trained on",
      },
    );
  }
  const { prompt, loras } = parseLoraTags(written ?? "");
  return { prompt: loras.length > 0 ? prompt.trim() : written, loras };
}

/** A LoRA as a tag names it. */
export function tagOf({ name, weight, unetWeight }: LoraTag): string {
  return `<lora:${name}:${weight}${unetWeight === undefined ? "" : `:${unetWeight}`}>`;
}
