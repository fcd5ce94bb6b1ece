import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { camelCase } from "../../src/letter-case.js";

/** What Python made a picture of the embedded checkpoint with: `fixtures/make/embedded.py`. */
export interface EmbeddedCase {
  readonly name: string;
  /** Arguments of the call, by their names in Python. */
  readonly call: Readonly<Record<string, string | number>>;
  readonly seed: number;
  /** The checkpoint's own by default. */
  readonly scheduler?: string;
  /** The case whose picture it starts from. */
  readonly image?: string;
}

const file = (name: string) => fileURLToPath(new URL(`../fixtures/embedded/${name}`, import.meta.url));

export const EMBEDDED_CASES: readonly EmbeddedCase[] = JSON.parse(readFileSync(file("cases.json"), "utf8"));

/** The path of Python's picture. */
export function embeddedPicture(name: string): string {
  return file(`${name}.png`);
}

/** The call in camelCase, with the prompt as every call has it. */
export function requestOf({ call, seed }: EmbeddedCase): { readonly prompt: string; readonly seed: number } {
  const request = Object.fromEntries(Object.entries(call).map(([key, value]) => [camelCase(key), value]));
  return { prompt: String(call.prompt), ...request, seed };
}
