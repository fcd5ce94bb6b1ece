import type { JsonObject } from "../../checkpoint/json.js";
import { type FoundSettings, fieldsOf, foundSettings, itemsOf, objectOf, sizeOf, textOf } from "./fields.js";
import type { Texts } from "./picture-texts.js";

/** Reads NovelAI's layout: JSON in `Comment`, the prompt also in `Description`. WebP files have everything as JSON in UserComment. */
export function readNovelAI(texts: Texts): FoundSettings | undefined {
  const { UserComment: wrapped } = texts;
  const all = { ...texts, ...textsIn(objectOf(wrapped)) };
  const comment = objectOf(all.Comment);
  if (!all.Software?.startsWith("NovelAI") && !(comment && "uc" in comment && "sampler" in comment)) return undefined;
  const { prompt, v4_prompt: parts, uc, v4_negative_prompt: negativeParts, ...fields } = comment ?? {};
  const positive = captionOf(fieldsOf(parts)) ?? textOf(prompt) ?? all.Description;
  return foundSettings(positive, captionOf(fieldsOf(negativeParts)) ?? uc, {
    Steps: fields.steps,
    Sampler: fields.sampler,
    "Schedule type": fields.noise_schedule,
    "CFG scale": fields.scale,
    "Guidance rescale": fields.cfg_rescale === 0 ? undefined : fields.cfg_rescale,
    Seed: fields.seed,
    Size: sizeOf(fields.width, fields.height),
    Model: all.Source,
    "Denoising strength": fields.strength,
  });
}

function textsIn(json: JsonObject | undefined): Texts {
  return Object.fromEntries(Object.entries(json ?? {}).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])));
}

/** The prompt from version 4 on: a part for the picture, and a part for each character in it. */
function captionOf({ caption }: JsonObject): string | undefined {
  const { base_caption: base, char_captions: people } = fieldsOf(caption);
  if (typeof base !== "string") return undefined;
  return [base, ...itemsOf(people).flatMap((person) => textOf(fieldsOf(person).char_caption) ?? [])]
    .filter((part) => part !== "")
    .join(" | ");
}
