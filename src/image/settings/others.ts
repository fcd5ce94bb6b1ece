import type { Json, JsonObject } from "../../checkpoint/json.js";
import { type FoundSettings, fieldsOf, itemsOf, listOf, loraOf, objectOf, settingsOf, sizeOf, textOf } from "./fields.js";
import type { Texts } from "./picture-texts.js";

/** The object that programs of one JSON text write: PNG's `parameters`, or UserComment. */
function jsonOf({ parameters, UserComment }: Texts): JsonObject {
  return objectOf(parameters) ?? objectOf(UserComment) ?? {};
}

/** Fooocus' own layout; by choice it writes AUTOMATIC1111's instead. */
export function readFooocus(texts: Texts): FoundSettings | undefined {
  const json = jsonOf(texts);
  if (!("base_model" in json && "performance" in json)) return undefined;
  const [, width, height] = /(\d+)\D+(\d+)/.exec(String(json.resolution)) ?? [];
  return {
    prompt: textOf(json.prompt) ?? "",
    negativePrompt: textOf(json.negative_prompt) ?? "",
    settings: settingsOf({
      Steps: json.steps,
      Sampler: json.sampler,
      "Schedule type": json.scheduler,
      "CFG scale": json.guidance_scale,
      Seed: json.seed,
      Size: sizeOf(width, height),
      Model: json.base_model,
      VAE: json.vae,
      LoRAs: listOf(itemsOf(json.loras).flatMap((lora) => loraOf(itemsOf(lora)[0], itemsOf(lora)[1]))),
      Styles: textOf(json.styles),
      Version: json.version,
    }),
  };
}

/** SwarmUI. */
export function readSwarmUI(texts: Texts): FoundSettings | undefined {
  const json = jsonOf(texts).sui_image_params;
  if (json === undefined) return undefined;
  const { width, height, loras, loraweights, ...fields } = fieldsOf(json);
  const weights = listItems(loraweights);
  return {
    prompt: textOf(fields.prompt) ?? "",
    negativePrompt: textOf(fields.negativeprompt) ?? "",
    settings: settingsOf({
      Steps: fields.steps,
      Sampler: fields.sampler,
      "Schedule type": fields.scheduler,
      "CFG scale": fields.cfgscale,
      Seed: fields.seed,
      Size: sizeOf(width, height),
      Model: fields.model,
      LoRAs: listOf(listItems(loras).flatMap((name, i) => loraOf(name, weights[i]))),
      Version: typeof fields.swarm_version === "string" ? `SwarmUI ${fields.swarm_version}` : undefined,
    }),
  };
}

/** A list, or a text with commas between its items. */
function listItems(value: Json | undefined): readonly Json[] {
  return typeof value === "string" ? value.split(",") : itemsOf(value);
}

/** Easy Diffusion: a text for each setting, or all as JSON. */
export function readEasyDiffusion(texts: Texts): FoundSettings | undefined {
  const comment = objectOf(texts.UserComment);
  const fields: Readonly<Record<string, Json | undefined>> = comment ?? texts;
  if (!("num_inference_steps" in fields && "prompt" in fields)) return undefined;
  return {
    prompt: textOf(fields.prompt) ?? "",
    negativePrompt: textOf(fields.negative_prompt) ?? "",
    settings: settingsOf({
      Steps: fields.num_inference_steps,
      Sampler: fields.sampler_name,
      "CFG scale": fields.guidance_scale,
      Seed: fields.seed,
      Size: sizeOf(fields.width, fields.height),
      Model: fields.use_stable_diffusion_model,
      VAE: fields.use_vae_model,
      "Denoising strength": fields.prompt_strength,
    }),
  };
}

/** Draw Things: JSON in XMP's UserComment. */
export function readDrawThings({ UserComment }: Texts): FoundSettings | undefined {
  const json = objectOf(UserComment);
  if (!json || !("c" in json && "uc" in json)) return undefined;
  const [width, height] = String(json.size).split("x");
  const loras = itemsOf(json.lora).map(fieldsOf);
  return {
    prompt: textOf(json.c) ?? "",
    negativePrompt: textOf(json.uc) ?? "",
    settings: settingsOf({
      Steps: json.steps,
      Sampler: json.sampler,
      "CFG scale": json.scale,
      Seed: json.seed,
      Size: sizeOf(width, height),
      Model: json.model,
      LoRAs: listOf(loras.flatMap(({ model, weight }) => loraOf(model, weight))),
      "Denoising strength": json.strength === 1 ? undefined : json.strength,
    }),
  };
}
