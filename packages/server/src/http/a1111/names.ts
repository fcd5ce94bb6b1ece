import { mistypedName } from "darkroom/generate";
import { HttpError } from "../http-error.js";

/** The web UI's title of a model: its name. The web UI adds a hash of the file, which a model in a folder does not have. */
export function titleOf(name: string): string {
  return name;
}

/** No name is longer, and the search for a hash takes time. */
const LONGEST = 1000;

/**
 * The name that a client means: the name, or a title as the web UI makes them, with a folder before it, an ending, and a hash behind it:
 * "sd/emoji-128.safetensors [0123456789]".
 */
export function findName(given: string, names: readonly string[]): string | undefined {
  if (given.length > LONGEST) return undefined;
  const words = [given, withoutHash(given), withoutEnding(withoutHash(given)), withoutEnding(lastPart(withoutHash(given)))];
  for (const word of words) {
    const found = names.find((name) => name === word) ?? names.find((name) => name.toLowerCase() === word.toLowerCase());
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Names that an error lists. */
const MOST_LISTED = 30;

/** What to take instead of an unknown name: the one that was probably meant, or one of those that there are. */
export function insteadOf(
  given: string,
  names: readonly string[],
  suggest = (name: string) => `did you mean ${name}?`,
): string | undefined {
  if (names.length === 0) return undefined;
  const meant = mistypedName(given, names);
  if (meant !== undefined) return suggest(meant);
  return `it has ${names.slice(0, MOST_LISTED).join(", ")}${names.length > MOST_LISTED ? ", ..." : ""}`;
}

/** @throws HttpError naming the one that was probably meant, or those that there are */
export function expectName(what: string, param: string, given: string, names: readonly string[]): string {
  const found = findName(given, names);
  if (found !== undefined) return found;
  throw new HttpError(404, `${what} ${JSON.stringify(given.slice(0, 100))} not found: this server offers none of this name`, {
    code: `${what.toLowerCase().replaceAll(" ", "_")}_not_found`,
    param,
    hint: insteadOf(withoutHash(given.slice(0, LONGEST)), names) ?? `it has none: leave ${param} out`,
  });
}

function withoutHash(title: string): string {
  return title.replace(/\s*\[[0-9a-f]{6,64}\]\s*$/i, "").trim();
}

function withoutEnding(name: string): string {
  return name.replace(/\.(safetensors|ckpt|pt|bin)$/i, "");
}

function lastPart(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}
