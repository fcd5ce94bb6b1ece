import { isObject, type Json, type JsonObject, parseJson } from "../../checkpoint/json.js";
import type { GenerationParameters } from "../parameters.js";

/** Levels of arrays and objects that a workflow may have. */
const DEEPEST = 200;

/** What could be read of a picture's settings. */
export type FoundSettings = Partial<GenerationParameters>;

/** The object that a text is as JSON, seeds kept to their last digit; undefined for any other text. */
export function objectOf(text: string | undefined): JsonObject | undefined {
  if (!text?.trimStart().startsWith("{")) return undefined;
  try {
    const json = parseJson(text, { depth: DEEPEST, pythonLiterals: true, longIntegersAsText: true });
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** The fields that have a value one can print, as text. */
export function settingsOf(fields: Readonly<Record<string, Json | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (isPrintable(value) ? [[name, String(value)]] : [])));
}

/** `512x768`, if both are sides of a picture. */
export function sizeOf(width: Json | undefined, height: Json | undefined): string | undefined {
  const isSide = (side: Json | undefined) => Number.isInteger(Number(side)) && Number(side) > 0 && isPrintable(side);
  return isSide(width) && isSide(height) ? `${width}x${height}` : undefined;
}

/** A LoRA with its weight, as a list of them has it; nothing without a name. */
export function loraOf(name: Json | undefined, weight: Json | undefined): string[] {
  if (typeof name !== "string" || name === "") return [];
  return [isPrintable(weight) ? `${name} ${weight}` : name];
}

/** The names of a list, or nothing for none. */
export function listOf(names: readonly string[]): string | undefined {
  return names.length > 0 ? names.join(", ") : undefined;
}

/** A text, or nothing for a value of another kind. */
export function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The items of a list; none of a value of another kind. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** The fields of an object; none of a value of another kind. */
export function fieldsOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function isPrintable(value: Json | undefined): value is string | number | boolean {
  return typeof value === "number" ? Number.isFinite(value) : typeof value === "boolean" || (typeof value === "string" && value !== "");
}
