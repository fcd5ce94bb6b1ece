import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { warn } from "../warnings.js";

/** A LoRA named in a prompt. */
export interface LoraTag {
  /** Usually the name of its file, without folder and ending. */
  readonly name: string;
  /** Its weight: 1 if the tag has none. */
  readonly weight: number;
  /** Its weight in the UNet, if the tag sets another one than for the text encoders. */
  readonly unetWeight?: number;
}

/** A prompt without its tags, and the LoRAs of the tags. */
export interface PromptWithLoras {
  /** The prompt without its tags. */
  readonly prompt: string;
  /** The LoRAs of the tags, in order. */
  readonly loras: readonly LoraTag[];
}

const tagPattern = /<(?:lora|lyco):([^<>]*)>/gu;

/**
 * Removes AUTOMATIC1111's LoRA tags from a prompt: `<lora:name>` (weight 1), `<lora:name:0.8>`, or `<lora:name:0.8:0.5>`, which is 0.8 in
 * the text encoders and 0.5 in the UNet, like `<lora:name:te=0.8:unet=0.5>`. The text around a tag is unchanged. Other settings in a tag,
 * such as `lbw` (weights for each block), are ignored with a warning.
 * @throws ArgumentError for a tag without a name, or with a weight that is no number.
 */
export function extractLoraTags(prompt: string): PromptWithLoras {
  const { unsupported, ...read } = parseLoraTags(prompt);
  for (const each of unsupported) warn(each);
  return read;
}

/** As {@link extractLoraTags}, with the warnings in the result. */
export function parseLoraTags(prompt: string): PromptWithLoras & { readonly unsupported: readonly string[] } {
  if (typeof prompt !== "string") throw wrongArgument("prompt", prompt, "a text");
  const loras: LoraTag[] = [];
  const unsupported: string[] = [];
  const rest = prompt.replace(tagPattern, (tag, content: string) => {
    loras.push(readTag(tag, content.split(":"), unsupported));
    return "";
  });
  return { prompt: rest, loras, unsupported };
}

/** The first LoRA tag of a prompt, if it has any. */
export function findLoraTag(prompt: string): string | undefined {
  return prompt.match(tagPattern)?.[0];
}

function readTag(tag: string, items: readonly string[], unsupported: string[]): LoraTag {
  const named = new Map(items.filter((item) => item.includes("=")).map((item) => item.split("=", 2) as [string, string]));
  const [name = "", ...numbers] = items.filter((item) => !item.includes("="));
  if (name.trim() === "") throw new ArgumentError(`${tag} has no name; expected <lora:name> or <lora:name:weight>`);
  const weight = readWeight(tag, named.get("te") ?? numbers[0]) ?? 1;
  const unetWeight = readWeight(tag, named.get("unet") ?? numbers[1]) ?? weight;
  for (const setting of named.keys()) {
    if (setting !== "te" && setting !== "unet") {
      unsupported.push(`${tag} sets ${setting}, which is not supported; the LoRA has the same weight in all blocks and steps`);
    }
  }
  return { name, weight, ...(unetWeight !== weight && { unetWeight }) };
}

function readWeight(tag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const weight = Number(text);
  if (text.trim() !== "" && Number.isFinite(weight)) return weight;
  throw new ArgumentError(`${tag} has the weight ${JSON.stringify(text)}; expected a number`);
}
