import type * as v from "valibot";
import { checkOptions } from "../options/check-options.js";
import type { Fields } from "../options/fields.js";
import { objectSchema } from "../options/object-schema.js";
import { extractLoraTags } from "../prompt/lora-tags.js";
import { hiresFileOf } from "./hires-request.js";
import { OPEN_FIELDS, type OpenRequest } from "./open-request.js";
import { RUN_FIELDS, type RunRequest } from "./run-request.js";

/**
 * Everything about pictures to make. In JSON, pictures are base64 texts or data URLs, seeds above 2^53 are texts, and checkpoints are paths
 * or hub ids.
 */
export interface GenerateRequest extends OpenRequest, RunRequest {}

/** Options that are not part of a request, and where they belong. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  cacheDir: "it is an option of the call: generate(request, { cacheDir })",
  format: "a picture is encoded by its encode or save method",
  localFilesOnly: "it is an option of the call: generate(request, { localFilesOnly: true })",
  onStep: "it is an option of the call: generate(request, { onStep })",
  onStepEnd: "it is an option of the call: generate(request, { onStepEnd })",
  originalInferenceSteps: "it is a setting of the scheduler: schedulerConfig: { originalInferenceSteps: 50 }",
  seeds: "seed is that of the first picture; picture i has seed + i",
  signal: "it is an option of the call: generate(request, { signal })",
  size: "its options for that are width and height",
  token: "it is an option of the call: generate(request, { token })",
};

/** All options of a request. */
export const GENERATE_FIELDS: Fields<GenerateRequest> = { ...OPEN_FIELDS, ...RUN_FIELDS };

/**
 * The valibot schema of a request. `@valibot/to-json-schema` makes JSON Schema of it, with ranges, choices and a description of every
 * option. `generate` and `openWorkflow` check their requests themselves, with messages for people.
 */
export const generateRequest: v.GenericSchema<GenerateRequest> = objectSchema(GENERATE_FIELDS);

/**
 * The request in a value of unknown origin, such as the body of an HTTP request.
 * @throws ArgumentError for an unknown option, with the nearest name; for a wrong value, with what is expected. `argument` names the
 * option.
 */
export function checkRequest(value: unknown): GenerateRequest {
  return checkOptions(value, GENERATE_FIELDS, {
    call: "generate",
    example: 'such as generate({ prompt: "a red fox" })',
    elsewhere: outsideRequest,
  });
}

/**
 * The part of a request that says what is loaded, with the LoRAs that its prompt names by tags and the upscaler that `hires` names.
 * Requests whose parts are equal can share a workflow.
 * @throws ArgumentError for a malformed tag
 */
export function openingOf(request: GenerateRequest): OpenRequest {
  const { loras } = extractLoraTags(request.prompt ?? "");
  const file = request.hires && hiresFileOf(request.hires);
  const opening = { ...only(request, OPEN_FIELDS), ...(file !== undefined && { hiresUpscaler: file }) };
  return loras.length === 0 ? opening : { ...opening, loras: [...(opening.loras ?? []), ...loras] };
}

/** The part of a request for one run. */
export function runOf(request: GenerateRequest): RunRequest {
  return only(request, RUN_FIELDS);
}

/** The options that say what is loaded, checked. @throws ArgumentError */
export function checkOpening(request: OpenRequest): OpenRequest {
  return checkOptions(request, OPEN_FIELDS, {
    call: "openWorkflow",
    example: "such as openWorkflow({ model })",
    elsewhere: elsewhereIn("run"),
  });
}

/** The options of one run, checked. @throws ArgumentError */
export function checkRunRequest(request: RunRequest): RunRequest {
  const example = 'such as workflow.run({ prompt: "a red fox" })';
  return checkOptions(request, RUN_FIELDS, { call: "run", example, elsewhere: elsewhereIn("openWorkflow") });
}

function elsewhereIn(other: "run" | "openWorkflow"): (name: string) => string | undefined {
  const fields: object = other === "run" ? RUN_FIELDS : OPEN_FIELDS;
  return (name) => (Object.hasOwn(fields, name) ? `it is an option of ${other}` : outsideRequest(name));
}

function outsideRequest(name: string): string | undefined {
  return Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : undefined;
}

/** The hint for an option of a request that is given beside the request. */
export function belongsToRequest(name: string): string | undefined {
  return Object.hasOwn(GENERATE_FIELDS, name) ? "it is a part of the request" : undefined;
}

function only<Options extends object>(request: Options, fields: Fields<Options>): Options {
  return Object.fromEntries(Object.entries(request).filter(([name]) => Object.hasOwn(fields, name))) as Options;
}
