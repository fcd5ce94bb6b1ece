// JSON of checkpoints: written by Python, or by an attacker.

/** What a JSON file may hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/**
 * Values above which a text is refused: an index of the largest models has a hundred thousand, and a hundred megabytes of `{},{},{}` become gigabytes,
 * of which a program dies that nobody can catch.
 */
const MOST_VALUES = 2_000_000;

/** What {@link parseJson} accepts beyond, or less than, the standard. */
export interface ParseJsonOptions {
  /** Levels of arrays and objects above which the text is refused: parsing 100 MB of `[` takes gigabytes. */
  readonly depth: number;
  /** Refuses an object at the outer two levels that has a key twice, of which JSON.parse silently takes the last. */
  readonly uniqueKeys?: boolean;
  /** Takes `NaN`, `Infinity` and `-Infinity`, which Python's json writes. */
  readonly pythonLiterals?: boolean;
  /** Returns integers of 16 digits or more as strings, because numbers cannot hold them exactly: seeds. */
  readonly longIntegersAsText?: boolean;
}

/** An integer of 16 digits or more; not a part of a number with a fraction or an exponent. */
const LONG_INTEGER = /(?<![\d.+eE]|[eE]-)-?\d{16,}(?![\d.eE])/g;

/** Parses JSON text. @throws Error saying what is wrong with it. */
export function parseJson(
  text: string,
  { depth, uniqueKeys = false, pythonLiterals = false, longIntegersAsText = false }: ParseJsonOptions,
): Json {
  check(text, depth, uniqueKeys);
  const hasLiterals = pythonLiterals && /NaN|Infinity/.test(text);
  if (!hasLiterals && !longIntegersAsText) return JSON.parse(text);
  // JSON has no word for NaN, so it travels as a string that no config holds; 1e999 is Infinity to JSON.parse.
  const nan = "\0NaN";
  let standard = "";
  for (const [between, string] of splitStrings(text)) {
    const exact = longIntegersAsText ? between.replace(LONG_INTEGER, '"$&"') : between;
    const literal = hasLiterals ? exact.replace(/\bNaN\b/g, JSON.stringify(nan)).replace(/\bInfinity\b/g, "1e999") : exact;
    standard += literal + string;
  }
  return JSON.parse(standard, hasLiterals ? (_, value) => (value === nan ? Number.NaN : value) : undefined);
}

/** The object that a text holds as JSON; undefined if it is not JSON, or not an object. */
export function parseObject(text: string, options: ParseJsonOptions): JsonObject | undefined {
  try {
    const json = parseJson(text, options);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a JSON value is an object (not null, not an array). */
export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** What kind of thing a JSON value is, for messages. */
export function describe(json: Json | undefined): string {
  if (json === undefined) return "nothing";
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  if (typeof json === "object") return "an object";
  return `the ${typeof json} ${quote(json)}`;
}

/** A JSON value as text, cut where it would fill the screen. */
export function quote(json: Json | undefined): string {
  const text = JSON.stringify(json) ?? "nothing";
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

/** A tensor's or a key's name for messages: as it is if it is an ordinary one, else escaped and cut, since files may name things anything. */
export function printable(name: string): string {
  return /^[\w.:/-]{1,200}$/.test(name) ? name : quote(name);
}

function check(text: string, deepest: number, uniqueKeys: boolean): void {
  let depth = 0;
  let values = 1;
  let key: string | undefined;
  const seen: Set<string>[] = [];
  for (const [between, string] of splitStrings(text)) {
    if (uniqueKeys && depth <= 2 && key !== undefined && /^\s*:/.test(between)) {
      const name: string = JSON.parse(key);
      if (seen[depth]?.has(name)) throw new Error(`the key ${quote(name)} comes twice`);
      seen[depth]?.add(name);
    }
    key = string;
    for (const character of between) {
      if (character === "," || character === "{" || character === "[") {
        if (++values > MOST_VALUES) throw new Error(`it holds more than ${MOST_VALUES} values`);
      }
      if (character === "{" || character === "[") {
        if (++depth > deepest) throw new Error(`it is nested more than ${deepest} levels deep`);
        if (depth <= 2) seen[depth] = new Set();
      } else if (character === "}" || character === "]") depth--;
    }
  }
}

/** The text as pairs: what lies between strings, and the string literal (quotes included) after it. */
function* splitStrings(text: string): Generator<readonly [between: string, string: string]> {
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('"', at);
    if (start < 0) break;
    let end = start + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    yield [text.slice(at, start), text.slice(start, end + 1)];
    at = end + 1;
  }
  yield [text.slice(at), ""];
}
