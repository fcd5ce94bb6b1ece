import type { Json, JsonObject } from "../../checkpoint/json.js";
import { type FoundSettings, fieldsOf, foundSettings, itemsOf, listOf, loraOf, objectOf, sizeOf, textOf } from "./fields.js";
import type { Texts } from "./picture-texts.js";

/** The JSON object in PNG's `parameters` or in UserComment. */
function jsonOf({ parameters, UserComment }: Texts): JsonObject {
  return objectOf(parameters) ?? objectOf(UserComment) ?? {};
}

/** Reads Fooocus' own layout. Fooocus can write AUTOMATIC1111's instead. */
export function readFooocus(texts: Texts): FoundSettings | undefined {
  const json = jsonOf(texts);
  if (!("base_model" in json && "performance" in json)) return undefined;
  const [, width, height] = /(\d+)\D+(\d+)/.exec(String(json.resolution)) ?? [];
  return foundSettings(json.prompt, json.negative_prompt, {
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
  });
}

/** Reads SwarmUI's layout. */
export function readSwarmUI(texts: Texts): FoundSettings | undefined {
  const json = jsonOf(texts).sui_image_params;
  if (json === undefined) return undefined;
  const { width, height, loras, loraweights, ...fields } = fieldsOf(json);
  const weights = listItems(loraweights);
  return foundSettings(fields.prompt, fields.negativeprompt, {
    Steps: fields.steps,
    Sampler: fields.sampler,
    "Schedule type": fields.scheduler,
    "CFG scale": fields.cfgscale,
    Seed: fields.seed,
    Size: sizeOf(width, height),
    Model: fields.model,
    LoRAs: listOf(listItems(loras).flatMap((name, i) => loraOf(name, weights[i]))),
    Version: typeof fields.swarm_version === "string" ? `SwarmUI ${fields.swarm_version}` : undefined,
  });
}

/** The items of a list, or of a text that separates them by commas. */
function listItems(value: Json | undefined): readonly Json[] {
  return typeof value === "string" ? value.split(",") : itemsOf(value);
}

/** Reads Easy Diffusion's layout: one text for each setting, or all in one JSON object. */
export function readEasyDiffusion(texts: Texts): FoundSettings | undefined {
  const comment = objectOf(texts.UserComment);
  const fields: Readonly<Record<string, Json | undefined>> = comment ?? texts;
  if (!("num_inference_steps" in fields && "prompt" in fields)) return undefined;
  return foundSettings(fields.prompt, fields.negative_prompt, {
    Steps: fields.num_inference_steps,
    Sampler: fields.sampler_name,
    "CFG scale": fields.guidance_scale,
    Seed: fields.seed,
    Size: sizeOf(fields.width, fields.height),
    Model: fields.use_stable_diffusion_model,
    VAE: fields.use_vae_model,
    "Denoising strength": fields.prompt_strength,
  });
}

/** Reads Draw Things' layout: JSON in XMP's UserComment. */
export function readDrawThings({ UserComment }: Texts): FoundSettings | undefined {
  const json = objectOf(UserComment);
  if (!json || !("c" in json && "uc" in json)) return undefined;
  const [width, height] = String(json.size).split("x");
  const loras = itemsOf(json.lora).map(fieldsOf);
  return foundSettings(json.c, json.uc, {
    Steps: json.steps,
    Sampler: json.sampler,
    "CFG scale": json.scale,
    Seed: json.seed,
    Size: sizeOf(width, height),
    Model: json.model,
    LoRAs: listOf(loras.flatMap(({ model, weight }) => loraOf(model, weight))),
    "Denoising strength": json.strength === 1 ? undefined : json.strength,
  });
}
