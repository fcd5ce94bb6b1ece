// JSON in checkpoints. Python writes it, and so can an attacker.

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/**
 * A text with more values is refused. An index of the largest models has a hundred thousand. A hundred megabytes of `{},{},{}` would take
 * gigabytes, and a program that is out of memory cannot catch that error.
 */
const MOST_VALUES = 2_000_000;

/** How {@link parseJson} differs from the standard. */
export interface ParseJsonOptions {
  /** Levels of arrays and objects. A deeper text is refused: parsing 100 MB of `[` takes gigabytes. */
  readonly depth: number;
  /** Refuses objects of the outer two levels with the same key twice. JSON.parse would silently take the last one. */
  readonly uniqueKeys?: boolean;
  /** Accepts `NaN`, `Infinity` and `-Infinity`, which Python's json writes. */
  readonly pythonLiterals?: boolean;
  /** Returns integers of 16 digits or more as strings, because numbers cannot represent them exactly. Seeds can be that long. */
  readonly longIntegersAsText?: boolean;
}

/** An integer of 16 digits or more that is not part of a number with a fraction or an exponent. */
const LONG_INTEGER = /(?<![\d.+eE]|[eE]-)-?\d{16,}(?![\d.eE])/g;

/** Parses JSON text. @throws Error that says what is wrong with it. */
export function parseJson(
  text: string,
  { depth, uniqueKeys = false, pythonLiterals = false, longIntegersAsText = false }: ParseJsonOptions,
): Json {
  check(text, depth, uniqueKeys);
  const hasLiterals = pythonLiterals && /NaN|Infinity/.test(text);
  if (!hasLiterals && !longIntegersAsText) return JSON.parse(text);
  // JSON has no NaN, so a string that no config contains stands for it. JSON.parse reads 1e999 as Infinity.
  const nan = "\0NaN";
  let standard = "";
  for (const [between, string] of splitStrings(text)) {
    const exact = longIntegersAsText ? between.replace(LONG_INTEGER, '"$&"') : between;
    const literal = hasLiterals ? exact.replace(/\bNaN\b/g, JSON.stringify(nan)).replace(/\bInfinity\b/g, "1e999") : exact;
    standard += literal + string;
  }
  return JSON.parse(standard, hasLiterals ? (_, value) => (value === nan ? Number.NaN : value) : undefined);
}

/** The JSON object in a text; undefined if the text is not JSON or not an object. */
export function parseObject(text: string, options: ParseJsonOptions): JsonObject | undefined {
  try {
    const json = parseJson(text, options);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a JSON value is an object: not null and not an array. */
export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** What a JSON value is, for messages. */
export function describe(json: Json | undefined): string {
  if (json === undefined) return "nothing";
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  if (typeof json === "object") return "an object";
  return `the ${typeof json} ${quote(json)}`;
}

/** A JSON value as text, cut if it is long. */
export function quote(json: Json | undefined): string {
  const text = JSON.stringify(json) ?? "nothing";
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

/** The name of a tensor or key, for messages. A name that is not an ordinary one is escaped and cut, because a file can hold any name. */
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

/** The text as pairs: the text before a string literal, and the literal with its quotes. */
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
