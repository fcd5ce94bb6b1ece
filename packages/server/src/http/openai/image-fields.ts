import { ArgumentError } from "darkroom";
import { checkRequest, type GenerateRequest, generateRequest } from "darkroom/generate";
import { SERVERS_OWN } from "../../models/resolve-request.js";
import { camelCase, snakeCase } from "../snake-case.js";

/** A request's fields by their names as the client sent them. */
export type GivenFields = Readonly<Record<string, unknown>>;

/** What a field of OpenAI's API, or of another image server's that speaks it, is called in `darkroom/generate`. */
export const SYNONYMS: Readonly<Record<string, keyof GenerateRequest>> = {
  n: "numImagesPerPrompt",
  steps: "numInferenceSteps",
  step: "numInferenceSteps",
  num_steps: "numInferenceSteps",
  guidance: "guidanceScale",
  cfg_scale: "guidanceScale",
  sampler: "scheduler",
  mask: "maskImage",
  images: "image",
};

/** Options that are fields of OpenAI's own, or the server's to choose. */
const NOT_TAKEN: ReadonlySet<string> = new Set([...SERVERS_OWN, "image", "maskImage"]);

const OPTIONS: ReadonlySet<string> = new Set(Object.keys((generateRequest as unknown as { entries: object }).entries));

/** The options of a request among the fields; fields with other names are let pass, as OpenAI's clients add their own. */
export function optionsIn(fields: GivenFields): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(fields)) {
    const option = optionOf(field);
    const isEmpty = value === null || (value === "" && option !== "prompt");
    if (isEmpty || !OPTIONS.has(option) || NOT_TAKEN.has(option)) continue;
    options[option] = typeof value === "string" ? typed(option, value) : value;
  }
  return options;
}

/** The client's own word for an option, for errors. */
export function fieldNameIn(fields: GivenFields): (option: string) => string {
  return (option) => {
    if ((option === "width" || option === "height") && fields.size !== undefined) return "size";
    return Object.keys(fields).find((field) => optionOf(field) === option) ?? snakeCase(option);
  };
}

/** A whole number, a true or false, or a choice among the words that a field has. Forms hold texts only. */
export function wholeIn(fields: GivenFields, field: string, least: number, most: number): number | undefined {
  const value = fields[field];
  if (value === undefined || value === null || value === "") return undefined;
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= least && number <= most) return number;
  throw wrong(field, value, `a whole number from ${least} to ${most}`);
}

export function flagIn(fields: GivenFields, field: string): boolean {
  const value = fields[field] ?? false;
  if (value === "true" || value === true) return true;
  if (value === "false" || value === "" || value === false) return false;
  throw wrong(field, value, "true or false");
}

export function choiceIn<Choice extends string>(fields: GivenFields, field: string, choices: readonly Choice[]): Choice | undefined {
  const value = fields[field];
  if (value === undefined || value === null || value === "") return undefined;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw wrong(field, value, choices.join(", "));
}

export function wrong(field: string, value: unknown, expected: string): ArgumentError {
  const shown = JSON.stringify(value)?.slice(0, 100);
  return new ArgumentError(`${field} is ${shown}; expected ${expected}`, { argument: field });
}

/** The option for a field in snake_case or camelCase. */
function optionOf(field: string): string {
  return Object.hasOwn(SYNONYMS, field) ? (SYNONYMS[field] ?? field) : camelCase(field);
}

/** A text as the option has it: forms have no numbers, and some clients send numbers as texts in JSON. */
function typed(option: string, text: string): unknown {
  if (takes(option, text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return takes(option, value) ? value : text;
  } catch {
    return text;
  }
}

function takes(option: string, value: unknown): boolean {
  try {
    checkRequest({ [option]: value });
    return true;
  } catch {
    return false;
  }
}
