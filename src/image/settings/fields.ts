import { isObject, type Json, type JsonObject, parseObject } from "../../checkpoint/json.js";
import type { GenerationParameters } from "../parameters.js";

/** A workflow may be nested this deep. */
const DEEPEST = 200;

/** The settings that were found in a picture's file. */
export type FoundSettings = Partial<GenerationParameters>;

/** The object that a text holds as JSON, with long seeds as strings; undefined for any other text. */
export function objectOf(text: string | undefined): JsonObject | undefined {
  if (!text?.trimStart().startsWith("{")) return undefined;
  return parseObject(text, { depth: DEEPEST, pythonLiterals: true, longIntegersAsText: true });
}

/** Settings as a file holds them. A prompt that is not a text counts as empty; fields without a printable value are left out. */
export function foundSettings(
  prompt: Json | undefined,
  negativePrompt: Json | undefined,
  fields: Readonly<Record<string, Json | undefined>>,
): FoundSettings {
  return { prompt: textOf(prompt) ?? "", negativePrompt: textOf(negativePrompt) ?? "", settings: settingsOf(fields) };
}

/** The fields with a printable value, as texts. */
function settingsOf(fields: Readonly<Record<string, Json | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (isPrintable(value) ? [[name, String(value)]] : [])));
}

/** A size such as `512x768`; undefined unless both are valid sides of a picture. */
export function sizeOf(width: Json | undefined, height: Json | undefined): string | undefined {
  const isSide = (side: Json | undefined) => Number.isInteger(Number(side)) && Number(side) > 0 && isPrintable(side);
  return isSide(width) && isSide(height) ? `${width}x${height}` : undefined;
}

/** A LoRA and its weight as one item of a list; no item if it has no name. */
export function loraOf(name: Json | undefined, weight: Json | undefined): string[] {
  if (typeof name !== "string" || name === "") return [];
  return [isPrintable(weight) ? `${name} ${weight}` : name];
}

/** The names separated by commas; undefined if there are none. */
export function listOf(names: readonly string[]): string | undefined {
  return names.length > 0 ? names.join(", ") : undefined;
}

/** The value if it is a text. */
export function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The items of a list; none if the value is not a list. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** The fields of an object; none if the value is not an object. */
export function fieldsOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function isPrintable(value: Json | undefined): value is string | number | boolean {
  return typeof value === "number" ? Number.isFinite(value) : typeof value === "boolean" || (typeof value === "string" && value !== "");
}
