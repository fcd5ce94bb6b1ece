import { type JsonObject, parseObject } from "./json.js";
import type { SafetensorsHeader } from "./safetensors.js";

// What authors write into the metadata of a safetensors file: Stability's ModelSpec (`modelspec.*`), kohya-ss' records of a training (`ss_*`).

/** Beyond this a text is cut. */
const LONGEST_TEXT = 200;
/** Tags of tens of thousands of pictures; longer records are not looked at. */
const LONGEST_RECORD = 20_000_000;

/** The first of these metadata that says something, fit to be shown. */
export function metadataText({ metadata }: SafetensorsHeader, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const text = displayText(metadata.get(key) ?? "");
    // kohya-ss writes Python's None for what it was not told.
    if (text !== "" && text !== "None") return text;
  }
  return undefined;
}

/** A metadata text that is a JSON object; undefined where it is missing, or is none. */
export function metadataObject({ metadata }: SafetensorsHeader, key: string): JsonObject | undefined {
  const text = metadata.get(key);
  if (!text || text.length > LONGEST_RECORD) return undefined;
  return parseObject(text, { depth: 8, pythonLiterals: true });
}

/** All metadata, each text fit to be shown. */
export function shownMetadata({ metadata }: SafetensorsHeader): Readonly<Record<string, string>> {
  return Object.fromEntries([...metadata].map(([key, text]) => [displayText(key), displayText(text)]));
}

/** A text of whoever wrote a file, in one line, without what would steer a terminal, and cut. */
export function displayText(text: string): string {
  const printable = text
    .slice(0, 2 * LONGEST_TEXT)
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, " ")
    .trim();
  return printable.length > LONGEST_TEXT ? `${printable.slice(0, LONGEST_TEXT)}...` : printable;
}
