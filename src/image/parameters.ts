import { isPlain, wrongArgument } from "../given.js";

/**
 * The settings of a picture, in the text that AUTOMATIC1111 writes into a PNG under the keyword `parameters`:
 *
 *     a red fox
 *     Negative prompt: blurry
 *     Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7.5, Seed: 123, Size: 512x512
 *
 * The rules for quoting and reading are those of AUTOMATIC1111's `modules/infotext_utils.py`.
 */
export interface GenerationParameters {
  /** The prompt. */
  readonly prompt: string;
  /** The negative prompt; empty if there is none. */
  readonly negativePrompt: string;
  /** The last line's fields under AUTOMATIC1111's names, in order. A name has two or more word characters, spaces, `-` and `/`. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The PNG keyword that AUTOMATIC1111 and programs made from it read. */
export const PARAMETERS_KEYWORD = "parameters";

const NEGATIVE = "Negative prompt:";
/** Characters of a field's name. Its first character is not `-`, `/` or a space. */
const NAMES = /[\p{L}\p{N}_ \-/]+/gu;
const FIRST_OF_NAME = /[\p{L}\p{N}_]/u;
/** The text after the colon. */
const VALUE = /\s*(?:("(?:\\.|[^\\"])+")(?:,|$)|([^,]*)(?:,|$))/uy;
/** A last line with fewer fields than this is part of the prompt. */
const FEWEST_FIELDS = 3;

/** The text of `parameters`. With at least three settings, it reads back to the same values. */
export function formatParameters(parameters: GenerationParameters): string {
  if (!isPlain(parameters)) throw wrongArgument("parameters", parameters, "an object: { prompt, negativePrompt, settings }");
  const { prompt, negativePrompt, settings } = parameters;
  const fields = { ...settings };
  const write = () => {
    const line = Object.entries(fields).map(([name, value]) => `${name}: ${quote(value)}`);
    return [prompt, negativePrompt && `\n${NEGATIVE} ${negativePrompt}`, `\n${line.join(", ")}`].join("").trim();
  };
  // A prompt that the layout cannot hold (spaces at its ends, a line that begins with "Negative prompt:") is repeated as a quoted
  // field. A field replaces the prompt before it, in AUTOMATIC1111, too.
  const read = parseParameters(write());
  if (read.prompt !== prompt) fields.Prompt = prompt;
  if (read.negativePrompt !== negativePrompt) fields["Negative prompt"] = negativePrompt;
  return write();
}

/** Reads a text of `parameters`, ours or AUTOMATIC1111's. Every text can be read, at worst as one long prompt. */
export function parseParameters(text: string): GenerationParameters {
  if (typeof text !== "string") throw wrongArgument("text", text, "the text of parameters");
  const lines = text.trim().split("\n");
  const found = readFields(lines.at(-1) ?? "");
  const hasSettings = found.length >= FEWEST_FIELDS;
  if (hasSettings) lines.pop();

  const stripped = lines.map((line) => line.trim());
  const split = stripped.findIndex((line) => line.startsWith(NEGATIVE));
  const end = split < 0 ? stripped.length : split;
  const negativeLines = stripped.slice(end).map((line) => (line.startsWith(NEGATIVE) ? line.slice(NEGATIVE.length).trim() : line));

  const fields = new Map((hasSettings ? found : []).map(([name, value]) => [name, unquote(value)]));
  const prompt = fields.get("Prompt") ?? joinLines(stripped.slice(0, end));
  const negativePrompt = fields.get("Negative prompt") ?? joinLines(negativeLines);
  fields.delete("Prompt");
  fields.delete("Negative prompt");
  return { prompt, negativePrompt, settings: Object.fromEntries(fields) };
}

/**
 * The fields of a line as AUTOMATIC1111's `re_param` finds them one after another: `\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`.
 * The expression itself is not used: on a long line without a colon it tries every position, each up to the line's end.
 */
function readFields(line: string): [name: string, value: string][] {
  const fields: [string, string][] = [];
  NAMES.lastIndex = 0;
  for (let run = NAMES.exec(line); run; run = NAMES.exec(line)) {
    const end = NAMES.lastIndex;
    const name = run[0].slice(run[0].search(FIRST_OF_NAME));
    if (line[end] !== ":" || !FIRST_OF_NAME.test(name) || [...name].length < 2) continue;
    VALUE.lastIndex = end + 1;
    const [, quoted, plain = ""] = VALUE.exec(line) ?? [];
    fields.push([name, quoted ?? plain]);
    NAMES.lastIndex = VALUE.lastIndex;
  }
  return fields;
}

function joinLines(lines: readonly string[]): string {
  // AUTOMATIC1111 drops empty lines before the first text.
  const first = lines.findIndex((line) => line !== "");
  return first < 0 ? "" : lines.slice(first).join("\n");
}

function quote(value: string): string {
  return /[,:\n]|^["\s]|\s$|^$/.test(value) ? JSON.stringify(value) : value;
}

function unquote(value: string): string {
  if (!(value.length > 1 && value.startsWith('"') && value.endsWith('"'))) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
