import type { Json, JsonObject } from "../../checkpoint/json.js";
import { type FoundSettings, fieldsOf, foundSettings, itemsOf, listOf, loraOf, objectOf, sizeOf, textOf } from "./fields.js";
import type { Texts } from "./picture-texts.js";

/** Reads InvokeAI's layouts: `invokeai_metadata` from version 3 on, `sd-metadata` and `Dream` (a command line) before. */
export function readInvokeAI(texts: Texts): FoundSettings | undefined {
  const { invokeai_metadata: current, "sd-metadata": old, Dream: dream, dream: line = dream } = texts;
  if (current === undefined && old === undefined && line === undefined) {
    return texts.invokeai_graph === undefined && texts.invokeai_workflow === undefined ? undefined : {};
  }
  const metadata = objectOf(current);
  if (metadata) return ofMetadata(metadata);
  const before = objectOf(old);
  if (before) return ofOldMetadata(before);
  return line === undefined ? {} : ofCommand(line);
}

function ofMetadata(metadata: JsonObject): FoundSettings {
  const model = fieldsOf(metadata.model);
  const loras = itemsOf(metadata.loras).flatMap((each) => {
    const { lora, model = lora, weight } = fieldsOf(each);
    return loraOf(nameOf(fieldsOf(model)), weight);
  });
  return foundSettings(metadata.positive_prompt, metadata.negative_prompt, {
    Steps: metadata.steps,
    Sampler: metadata.scheduler,
    "CFG scale": metadata.cfg_scale,
    Seed: metadata.seed,
    Size: sizeOf(metadata.width, metadata.height),
    Model: nameOf(model),
    VAE: nameOf(fieldsOf(metadata.vae)),
    LoRAs: listOf(loras),
    "Denoising strength": metadata.strength,
    "Clip skip": metadata.clip_skip === 0 ? undefined : metadata.clip_skip,
    Version: versionOf(metadata.app_version),
  });
}

function nameOf({ name, model_name: before }: JsonObject): Json | undefined {
  return name ?? before;
}

function versionOf(version: Json | undefined): string | undefined {
  return typeof version === "string" && version !== "" ? `InvokeAI ${version}` : undefined;
}

function ofOldMetadata({ image, model_weights: model, app_version: version }: JsonObject): FoundSettings {
  const { prompt: text, steps, sampler, cfg_scale: guidance, seed, width, height, strength } = fieldsOf(image);
  const parts = itemsOf(text).map((part) => textOf(fieldsOf(part).prompt) ?? "");
  const [prompt, negativePrompt] = splitPrompt(textOf(text) ?? parts.join(" "));
  return foundSettings(prompt, negativePrompt, {
    Steps: steps,
    Sampler: sampler,
    "CFG scale": guidance,
    Seed: seed,
    Size: sizeOf(width, height),
    Model: model,
    "Denoising strength": strength,
    Version: versionOf(version),
  });
}

/** Reads a command line such as `"a red fox [blurry]" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_lms`. */
function ofCommand(line: string): FoundSettings {
  const end = line.lastIndexOf('"');
  const isQuoted = line.startsWith('"') && end > 0;
  const words = line
    .slice(isQuoted ? end + 1 : 0)
    .split(/\s+/)
    .flatMap((word) => /^(-[a-zA-Z])(.+)$/.exec(word)?.slice(1) ?? [word]);
  const first = words.findIndex((word) => /^-[a-zA-Z]$/.test(word));
  const option = (letter: string) => words[words.indexOf(`-${letter}`, Math.max(first, 0)) + 1];
  const given = (letter: string) => (words.includes(`-${letter}`) ? option(letter) : undefined);
  const [prompt, negativePrompt] = splitPrompt(isQuoted ? line.slice(1, end) : words.slice(0, first < 0 ? undefined : first).join(" "));
  return foundSettings(prompt, negativePrompt, {
    Steps: given("s"),
    Sampler: given("A"),
    "CFG scale": given("C"),
    Seed: given("S"),
    Size: sizeOf(given("W"), given("H")),
    "Denoising strength": given("f"),
  });
}

/** Splits a prompt from before version 3: its parts in square brackets are the negative prompt. */
function splitPrompt(text: string): [prompt: string, negativePrompt: string] {
  const negative = Array.from(text.matchAll(/\[([^[\]]*)\]/g), ([, part = ""]) => part.trim());
  const positive = text.replace(/\[[^[\]]*\]/g, " ").replace(/\s+/g, " ");
  return [positive.trim(), negative.join(" ")];
}
