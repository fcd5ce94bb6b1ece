import { ArgumentError } from "../errors.js";
import { findLoraTag, type LoraTag, parseLoraTags } from "../prompt/lora-tags.js";
import type { RunRequest } from "./run-request.js";

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
        hint: "put the tag into the prompt; with a negative weight, it has the opposite effect",
      },
    );
  }
  const { prompt, loras } = parseLoraTags(written ?? "");
  return { prompt: loras.length > 0 ? prompt.trim() : written, loras };
}

/** A LoRA as a tag names it. */
function tagOf({ name, weight, unetWeight }: LoraTag): string {
  return `<lora:${name}:${weight}${unetWeight === undefined ? "" : `:${unetWeight}`}>`;
}

/**
 * The prompt as AUTOMATIC1111's web UI would need it: with a tag for each LoRA that is loaded.
 * @throws ArgumentError for a tag of one that is not
 */
export function taggedPrompt(written: string, tags: readonly LoraTag[], loras: readonly LoraTag[]): string {
  const others = loras.map(tagOf);
  for (const tag of tags.map(tagOf)) {
    const i = others.lastIndexOf(tag);
    if (i < 0) {
      throw new ArgumentError(`the prompt names ${tag}, which is not loaded`, {
        argument: "prompt",
        hint: "open a workflow for this prompt: openWorkflow(openingOf(request), { library })",
      });
    }
    others.splice(i, 1);
  }
  return [written, ...others].filter((part) => part !== "").join(" ");
}
