import { type GenerateRequest, mistypedName } from "darkroom/generate";
import { SERVERS_OWN } from "../../models/resolve-request.js";
import { HttpError } from "../http-error.js";
import { DEFAULT_LIMITS, type Limits } from "../limits.js";
import type { JsonSchema } from "../openapi/json-schema.js";
import { optionSchemas } from "../openapi/option-schemas.js";
import { camelCase, snakeCase } from "../snake-case.js";

/** Bytes that files of pictures begin with, in base64: PNG, JPEG, GIF, WebP. */
const PICTURE = /^(?:data:image\/|iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/;

/**
 * The name of a model in a body: beside inputs, or among the parameters. null and "" are none.
 * @throws HttpError for two names, and for what is no text
 */
export function modelNameIn({ model, parameters }: Readonly<Record<string, unknown>>): string | undefined {
  const inParameters = typeof parameters === "object" && parameters !== null && "model" in parameters ? parameters.model : undefined;
  const names = new Set([model, inParameters].filter((each) => each !== undefined && each !== null && each !== ""));
  if (names.size > 1) throw invalid("model has two names, one beside inputs and one in parameters", "model");
  const [name] = names;
  if (name === undefined || typeof name === "string") return name;
  throw invalid("model is not a text; expected a name of GET /v1/models", "model");
}

/**
 * The request in a body `{ inputs, parameters }`. For `textToImage` the inputs are the prompt, for `imageToImage` a picture in base64, and
 * the prompt is a parameter. Parameters are options of ours in snake_case; an unknown one is refused when the request is checked.
 * @throws HttpError
 */
export function taskRequest({ inputs, parameters = {} }: Readonly<Record<string, unknown>>): GenerateRequest {
  const { target_size: size, model: _, ...options } = objectOf(parameters ?? {}, "parameters");
  if (typeof inputs !== "string") throw invalid("inputs is missing; expected the prompt, or a picture in base64", "inputs");
  const isPicture = typeof options.prompt === "string" || PICTURE.test(inputs.trimStart());
  const given = Object.fromEntries(Object.entries(options).map(([name, value]) => [optionOf(name), value]));
  if (Number(given.numImagesPerPrompt ?? 1) !== 1) {
    throw invalid("num_images_per_prompt is not 1; the reply is one picture", "num_images_per_prompt");
  }
  const { width, height } = objectOf(size ?? {}, "target_size");
  return {
    ...given,
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(isPicture ? { prompt: String(given.prompt ?? ""), image: inputs } : { prompt: inputs }),
  } as GenerateRequest;
}

/** The options that are parameters, in this API's words. */
export function parameterSchemas(limits: Limits): Readonly<Record<string, JsonSchema>> {
  const { image: _, numImagesPerPrompt: __, ...options } = optionSchemas(limits);
  return Object.fromEntries(Object.entries(options).map(([name, schema]) => [snakeCase(name), schema]));
}

const PARAMETERS = [...Object.keys(parameterSchemas(DEFAULT_LIMITS)), "target_size"];

/**
 * Options that are known, and are no parameters: one picture comes back, inputs has the picture, and the rest is the server's to choose.
 */
const KNOWN = new Set<string>([...PARAMETERS.map(camelCase), "numImagesPerPrompt", "image", ...SERVERS_OWN]);

/** What other programs call a parameter. */
const SYNONYMS: Readonly<Record<string, string>> = {
  steps: "num_inference_steps",
  num_steps: "num_inference_steps",
  cfg_scale: "guidance_scale",
  guidance: "guidance_scale",
  sampler: "scheduler",
};

/** The option for a parameter. @throws HttpError for one that there is not, in this API's words */
function optionOf(name: string): string {
  const option = camelCase(name);
  if (KNOWN.has(option)) return option;
  const shown = name.length > 80 ? `${name.slice(0, 80)}...` : name;
  const meant = Object.hasOwn(SYNONYMS, name) ? SYNONYMS[name] : mistypedName(snakeCase(name), PARAMETERS);
  throw new HttpError(400, `there is no parameter ${shown}${meant === undefined ? "" : `; did you mean ${meant}?`}`, {
    code: "invalid_parameters",
    param: shown,
    hint: `the parameters are ${PARAMETERS.join(", ")}`,
  });
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  throw invalid(`${name} is not an object`, name);
}

function invalid(message: string, param: string): HttpError {
  return new HttpError(400, message, { code: `invalid_${param}`, param });
}
