import { type JsonSchema, objectOf } from "../openapi/json-schema.js";

const text: JsonSchema = { type: "string" };
const flag: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const texts: JsonSchema = { type: "array", items: text };
const nullable = (schema: JsonSchema): JsonSchema => ({ ...schema, type: [schema.type, "null"] });
const object: JsonSchema = { type: "object" };

function all(fields: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return objectOf(fields, Object.keys(fields));
}

function listOf(fields: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: "array", items: all(fields) };
}

const nothing = nullable(text);

/** What each list has, with a schema of its reply. */
export const LIST_SCHEMAS: Readonly<Record<string, readonly [summary: string, schema: JsonSchema]>> = {
  "/sdapi/v1/sd-models": [
    "List models",
    listOf({ title: text, model_name: text, hash: nothing, sha256: nothing, filename: text, config: nothing }),
  ],
  "/sdapi/v1/sd-vae": ["List autoencoders", listOf({ model_name: text, filename: text })],
  "/sdapi/v1/samplers": ["List samplers", listOf({ name: text, aliases: texts, options: object })],
  "/sdapi/v1/schedulers": [
    "List schedulers",
    listOf({ name: text, label: text, aliases: nullable(texts), default_rho: number, need_inner_model: flag }),
  ],
  "/sdapi/v1/upscalers": [
    "List upscalers",
    listOf({ name: text, model_name: nothing, model_path: nothing, model_url: nothing, scale: number }),
  ],
  "/sdapi/v1/latent-upscale-modes": ["List ways to make latents larger", listOf({ name: text })],
  "/sdapi/v1/loras": ["List LoRAs", listOf({ name: text, alias: text, path: text, metadata: object })],
  "/sdapi/v1/embeddings": ["List embeddings", all({ loaded: object, skipped: object })],
  "/sdapi/v1/scripts": ["List scripts", all({ txt2img: texts, img2img: texts })],
  "/sdapi/v1/script-info": [
    "Describe scripts",
    listOf({ name: text, is_alwayson: flag, is_img2img: flag, args: { type: "array", items: {} } }),
  ],
  "/sdapi/v1/cmd-flags": ["Flags of the command line that clients ask for", all({ api: flag, nowebui: flag })],
  "/sdapi/v1/memory": ["Memory of the server's process", all({ ram: all({ free: number, used: number, total: number }), cuda: object })],
  "/internal/ping": ["Whether there is a web UI", all({})],
  "/controlnet/version": ["Version of the ControlNet extension's API", all({ version: number })],
  "/controlnet/settings": ["Settings of the ControlNet extension", all({ control_net_unit_count: number })],
  "/controlnet/model_list": ["List ControlNets", all({ model_list: texts })],
  "/controlnet/module_list": ["List preprocessors", all({ module_list: texts, module_detail: object })],
  "/controlnet/control_types": ["List preprocessors and ControlNets by kind", all({ control_types: object })],
};

/** The reply of `/sdapi/v1/progress`. */
export const PROGRESS_SCHEMA: JsonSchema = all({
  progress: { ...number, description: "From 0 to 1; 0 where nothing is made." },
  eta_relative: { ...number, description: "Seconds that are left, as far as one can tell." },
  state: all({
    skipped: flag,
    interrupted: flag,
    stopping_generation: flag,
    job: text,
    job_count: { ...number, description: "Jobs of the request; 0 where nothing is made." },
    job_timestamp: text,
    job_no: number,
    sampling_step: number,
    sampling_steps: number,
  }),
  current_image: { ...nothing, description: "The latest preview in base64." },
  textinfo: nothing,
  current_task: nothing,
});

/** What `info` says, which is JSON in a text. */
export const INFO_SCHEMA: JsonSchema = {
  ...objectOf({
    prompt: text,
    all_prompts: texts,
    negative_prompt: text,
    all_negative_prompts: texts,
    seed: number,
    all_seeds: { type: "array", items: number },
    width: number,
    height: number,
    sampler_name: text,
    cfg_scale: number,
    steps: number,
    batch_size: number,
    sd_model_name: text,
    infotexts: { ...texts, description: "The settings of each picture as the web UI writes them." },
    warnings: { ...texts, description: "What was asked for and did not come, or not quite." },
  }),
  description: "And the web UI's further fields.",
};
