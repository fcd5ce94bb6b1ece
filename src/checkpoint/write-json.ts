import { snakeCase } from "../letter-case.js";
import { isObject, type Json, type JsonObject } from "./json.js";

/** JSON text as diffusers writes it: keys in alphabetical order, two spaces, and Python's `NaN`, `Infinity` and `-Infinity`. */
export function pythonJson(json: Json): string {
  return `${valueText(json, "")}\n`;
}

/** {@link pythonJson} as a file's bytes. */
export function jsonBytes(json: Json): Uint8Array {
  return new TextEncoder().encode(pythonJson(json));
}

/** The same JSON with its camelCase keys in snake_case, at every depth. */
export function snakeCaseKeys(json: JsonObject): JsonObject {
  return convert(json) as JsonObject;
}

function convert(json: Json): Json {
  if (Array.isArray(json)) return json.map(convert);
  if (!isObject(json)) return json;
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) => (value === undefined ? [] : [[snakeCase(key), convert(value)]])),
  );
}

/**
 * Fields that transformers declares as floats. It refuses configs that have whole numbers there without a point, and JavaScript's numbers
 * have lost the point of 1.0.
 */
const FLOATS: ReadonlySet<string> = new Set([
  "attention_dropout",
  "dropout",
  "initializer_factor",
  "initializer_range",
  "layer_norm_eps",
  "logit_scale_init_value",
  "rescale_factor",
]);

function fieldText(key: string, value: Json, indent: string): string {
  return FLOATS.has(key) && Number.isInteger(value) ? `${value}.0` : valueText(value, indent);
}

function valueText(json: Json, indent: string): string {
  const inner = `${indent}  `;
  const inside = (open: string, items: readonly string[], close: string) =>
    items.length === 0 ? open + close : `${open}\n${items.map((item) => inner + item).join(",\n")}\n${indent}${close}`;
  if (Array.isArray(json)) {
    return inside(
      "[",
      json.map((item) => valueText(item, inner)),
      "]",
    );
  }
  if (isObject(json)) {
    const keys = Object.keys(json).sort();
    return inside(
      "{",
      keys.map((key) => `${JSON.stringify(key)}: ${fieldText(key, json[key] ?? null, inner)}`),
      "}",
    );
  }
  // JSON.stringify would write null for these.
  return typeof json === "number" && !Number.isFinite(json) ? String(json) : JSON.stringify(json);
}
