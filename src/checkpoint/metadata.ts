import { type JsonObject, parseObject } from "./json.js";
import type { SafetensorsHeader } from "./safetensors.js";

// Metadata that authors write into safetensors files: Stability's ModelSpec (`modelspec.*`) and kohya-ss's records of a training (`ss_*`).

/** Longer texts are cut. */
const LONGEST_TEXT = 200;
/** Enough for the tags of tens of thousands of pictures. Longer records are not parsed. */
const LONGEST_RECORD = 20_000_000;

/** The first of these entries that has a value, as {@link displayText}. */
export function metadataText({ metadata }: SafetensorsHeader, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const text = displayText(metadata.get(key) ?? "");
    // kohya-ss writes Python's None for values that are not set.
    if (text !== "" && text !== "None") return text;
  }
  return undefined;
}

/** The JSON object in a metadata text; undefined if the text is missing or is not one. */
export function metadataObject({ metadata }: SafetensorsHeader, key: string): JsonObject | undefined {
  const text = metadata.get(key);
  if (!text || text.length > LONGEST_RECORD) return undefined;
  return parseObject(text, { depth: 8, pythonLiterals: true });
}

/** All metadata, each text as {@link displayText}. */
export function shownMetadata({ metadata }: SafetensorsHeader): Readonly<Record<string, string>> {
  return Object.fromEntries([...metadata].map(([key, text]) => [displayText(key), displayText(text)]));
}

/** A text from a file, in one line, without control characters, and cut. */
export function displayText(text: string): string {
  const printable = text
    .slice(0, 2 * LONGEST_TEXT)
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, " ")
    .trim();
  return printable.length > LONGEST_TEXT ? `${printable.slice(0, LONGEST_TEXT)}...` : printable;
}
