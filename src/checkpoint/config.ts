import { CheckpointError } from "../errors.js";
import { camelCase } from "../letter-case.js";
import { messageOf } from "../message-of.js";
import type { Folder } from "../platform/folder.js";
import { recognise, serverMessage } from "./foreign-file.js";
import { describe, isObject, type Json, type JsonObject, parseJson } from "./json.js";

/** Far more bytes than a config or tokenizer file has, far fewer than would fill the memory. */
const LARGEST_CONFIG = 10_000_000;
const DEEPEST = 64;

/** How {@link readJson} is bounded. */
export interface ReadJsonOptions {
  /** A file with more bytes is refused without reading it. */
  readonly limit?: number;
}

/**
 * The JSON object in a checkpoint's file, with its keys unchanged. Python's `NaN`, `Infinity` and `-Infinity` are read as these numbers.
 * @throws CheckpointError if the file is missing, too large, not JSON (a Git LFS pointer, a web page) or not an object.
 */
export async function readJson(folder: Folder, path: string, { limit = LARGEST_CONFIG }: ReadJsonOptions = {}): Promise<JsonObject> {
  const name = `${folder.name}/${path}`;
  const size = await folder.size(path);
  if (size > limit) throw new CheckpointError(`${name} has ${size} bytes; a JSON file of a checkpoint has at most ${limit}`);
  const bytes = await folder.read(path);
  let json: Json;
  try {
    json = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { depth: DEEPEST, pythonLiterals: true });
  } catch (error) {
    // If the text begins like JSON, the parser's message is more precise.
    const other = bytes[0] === "{".charCodeAt(0) || bytes[0] === "[".charCodeAt(0) ? undefined : recognise(bytes);
    const what = other?.what ?? messageOf(error);
    throw new CheckpointError(`${name} is not JSON: ${what}`, { hint: other?.hint ?? "download the file again", cause: error });
  }
  if (!isObject(json)) throw new CheckpointError(`${name} holds ${describe(json)}; an object { ... } was expected`);
  if (serverMessage(json) !== undefined) {
    const { what = "", hint } = recognise(bytes) ?? {};
    throw new CheckpointError(`${name} is not what it should be: ${what}`, { hint });
  }
  return json;
}

/**
 * A config file (`config.json`, `scheduler_config.json`) with its keys in camelCase; see {@link camelCaseKeys}.
 * @throws CheckpointError as {@link readJson} does.
 */
export async function readConfig(folder: Folder, path: string): Promise<JsonObject> {
  return camelCaseKeys(await readJson(folder, path));
}

/** The class of a config with camelCase keys: diffusers names it, transformers lists it. */
export function classOf({ _className: className, architectures }: JsonObject): string | undefined {
  return [className, ...(Array.isArray(architectures) ? architectures : [])].find((name) => typeof name === "string");
}

/** The same JSON with its `snake_case` keys in camelCase, at every depth: `_class_name` becomes `_className`. Values do not change. */
export function camelCaseKeys(json: JsonObject): JsonObject {
  return convertKeys(json) as JsonObject;
}

function convertKeys(json: Json): Json {
  if (Array.isArray(json)) return json.map(convertKeys);
  if (!isObject(json)) return json;
  // fromEntries defines keys instead of assigning them, so `__proto__` is a key like any other.
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [camelCase(key), convertKeys(value)]));
}
