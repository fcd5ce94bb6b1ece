import * as v from "valibot";
import { OUTPUT_FORMATS } from "../../jobs/job.js";
import type { Limits } from "../limits.js";
import { described, fieldSchemas, type JsonSchema, jsonSchema, objectOf, ref } from "../openapi/json-schema.js";
import { optionSchemas } from "../openapi/option-schemas.js";
import { snakeCase } from "../snake-case.js";
import { SYNONYMS } from "./image-fields.js";
import { MOST_PARTIAL_IMAGES, QUALITIES, RESPONSE_FORMATS } from "./image-request.js";

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

/** OpenAI's own fields, as far as they have an effect or must not be refused. */
const fields = v.object({
  model: described(
    "A model of GET /v1/models. The default model if it is missing or one of OpenAI's own names (gpt-image-..., dall-e-...).",
    v.optional(v.string()),
  ),
  size: described(
    "WIDTHxHEIGHT, any size whose sides are multiples of 8 (others are rounded, with a warning), or auto, the default: " +
      "the model's size, in the shape of the picture to start from if there is one.",
    v.optional(v.pipe(v.string(), v.regex(/^(auto|\d{1,5}x\d{1,5})$/))),
  ),
  quality: described("low halves the steps. auto, medium, high, standard and hd are the usual quality.", v.optional(v.picklist(QUALITIES))),
  response_format: described(
    "b64_json, the default, or url. Both if it is missing and model is one of OpenAI's dall-e-... names.",
    v.optional(v.picklist(RESPONSE_FORMATS)),
  ),
  output_format: described("The format of the files; png by default.", v.optional(v.picklist(OUTPUT_FORMATS))),
  output_compression: described("Quality of JPEG and WebP, from 0 to 100. Below 100, png gives a warning.", v.optional(whole(0, 100))),
  background: described("opaque or auto: pictures are opaque. transparent is refused.", v.optional(v.string())),
  stream: described("Sends server-sent events: partial images, then the finished ones. false by default.", v.optional(v.boolean())),
  partial_images: described("Unfinished pictures in a stream; none by default.", v.optional(whole(0, MOST_PARTIAL_IMAGES))),
  moderation: described("Has no effect: nothing is moderated.", v.optional(v.string())),
  style: described("Has no effect: write it into the prompt.", v.optional(v.string())),
  user: described("Has no effect.", v.optional(v.string())),
});

/** OpenAI's names, which come first in documents. */
const OPENAI_NAMES: Readonly<Record<string, string>> = { numImagesPerPrompt: "n", numInferenceSteps: "steps", guidanceScale: "guidance" };

/** The fields of a request. Our options have OpenAI's names where it has them, and are in snake_case otherwise. */
export function imageFields(limits: Limits): Readonly<Record<string, JsonSchema>> {
  const { prompt, image: _, maskImage: __, ...options } = optionSchemas(limits);
  const other = (option: string) => Object.keys(SYNONYMS).filter((name) => SYNONYMS[name] === option && name !== OPENAI_NAMES[option]);
  const named = Object.entries(options).map(([option, schema]) => {
    const names = [...(OPENAI_NAMES[option] ? [snakeCase(option)] : []), ...other(option)];
    const description = `${schema.description as string}${names.length > 0 ? ` Also called ${names.join(", ")}.` : ""}`;
    return [OPENAI_NAMES[option] ?? snakeCase(option), { ...schema, description }];
  });
  return { prompt: prompt ?? {}, ...fieldSchemas(fields), ...Object.fromEntries(named) };
}

const picture = "the file in base64, or a data URL; no addresses";

/** Pictures of a request in JSON. */
export const PICTURES_IN_JSON: Readonly<Record<string, JsonSchema>> = {
  image: {
    anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
    description: `Picture to start from: ${picture}. Of a list, the first one.`,
  },
  mask: {
    type: "string",
    description: `The picture is repainted where the mask is transparent, or white where it has no transparency: ${picture}.`,
  },
};

/** Pictures of a request in a form. */
export const PICTURES_IN_FORM: Readonly<Record<string, JsonSchema>> = {
  image: { type: "string", format: "binary", description: "Picture to start from, a file. image[] is taken, too." },
  mask: {
    type: "string",
    format: "binary",
    description: "The picture is repainted where this file is transparent, or white where it has no transparency.",
  },
};

const usage = v.object({
  input_tokens: v.number(),
  input_tokens_details: v.object({ text_tokens: v.number(), image_tokens: v.number() }),
  output_tokens: v.number(),
  total_tokens: v.number(),
});

const sent = {
  background: described("Always opaque.", v.string()),
  output_format: described("The format of the files.", v.picklist(OUTPUT_FORMATS)),
  quality: described("As the request has it; auto if it has none.", v.string()),
};

const warnings = described("What was asked for and did not come, or not quite.", v.optional(v.array(v.string())));

const images = v.object({
  created: described("Seconds since 1970.", v.number()),
  ...sent,
  size: described("WIDTHxHEIGHT of the pictures.", v.string()),
  data: described(
    "The pictures.",
    v.array(
      v.object({
        b64_json: described("The file in base64.", v.optional(v.string())),
        url: described("Where the picture is, if response_format is url.", v.optional(v.string())),
        seed: described("The picture's own seed, in digits.", v.string()),
      }),
    ),
  ),
  usage: described("All numbers are 0: nothing is counted in tokens.", usage),
  warnings,
});

const event = {
  b64_json: described("The file in base64.", v.string()),
  created_at: described("Seconds since 1970.", v.number()),
  ...sent,
  size: described("WIDTHxHEIGHT.", v.string()),
};

const partial = (call: string) =>
  v.object({
    type: v.literal(`${call}.partial_image`),
    ...event,
    partial_image_index: described("Counted from 0 for each picture.", v.number()),
  });

const completed = (call: string) =>
  v.object({
    type: v.literal(`${call}.completed`),
    ...event,
    usage,
    seed: described("The picture's own seed, in digits.", v.string()),
    warnings,
  });

const failure = v.object({
  message: described("What is wrong, and what is expected.", v.string()),
  type: v.picklist(["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]),
  param: described("The field that is wrong.", v.nullable(v.string())),
  code: described("A word for programs.", v.string()),
});

const modelEntry = v.object({
  id: described("The model's name.", v.string()),
  object: v.literal("model"),
  created: described("Seconds since 1970: when the server was started.", v.number()),
  owned_by: v.string(),
});

/** What OpenAI's API sends. */
export const OPENAI_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Images: jsonSchema(images),
  ImageEvent: {
    description: "The data of an event. Its name is that of the type.",
    ...jsonSchema(v.union([partial("image_generation"), completed("image_generation"), partial("image_edit"), completed("image_edit")])),
  },
  OpenaiModel: jsonSchema(modelEntry),
  OpenaiModels: objectOf({ object: { const: "list" }, data: { type: "array", items: ref("OpenaiModel") } }, ["object", "data"]),
  OpenaiError: objectOf({ error: jsonSchema(failure) }, ["error"]),
};
