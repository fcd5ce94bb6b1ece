import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ArgumentError } from "darkroom";

/** A checkpoint or a network that the server offers. Requests know its name only. */
export interface NamedSource {
  readonly name: string;
  /** A folder, a file or a hub id. */
  readonly source: string;
}

/** Reads `NAME=SOURCE` or `SOURCE`, whose name is its last part without the ending. @throws ArgumentError */
export function parseNamedSource(text: string, option = "--model"): NamedSource {
  const [, given, rest] = existsSync(text) ? [] : (/^([^=/\\]*)=(.*)$/s.exec(text) ?? []);
  const source = rest ?? text;
  const name = given ?? lastName(/^\.{1,2}([\\/]|$)/.test(source) ? resolve(source) : source);
  if (name.trim() !== "" && source.trim() !== "") return { name, source };
  throw new ArgumentError(`${option} is ${JSON.stringify(text)}; expected a folder, a file or a hub id, or NAME=SOURCE`, {
    hint: `such as ${option} models/fox.safetensors, or ${option} fox=models/fox-v2.safetensors`,
  });
}

/** The sources by their names. @throws ArgumentError for a name that two of them have */
export function parseNamedSources(texts: readonly string[], option = "--model"): NamedSource[] {
  const sources = new Map<string, NamedSource>();
  for (const each of texts.map((text) => parseNamedSource(text, option))) {
    const other = sources.get(each.name);
    if (other) {
      throw new ArgumentError(`${option}: ${other.source} and ${each.source} are both called ${each.name}`, {
        hint: `give one of them another name: ${option} ${each.name}-2=${each.source}`,
      });
    }
    sources.set(each.name, each);
  }
  return [...sources.values()];
}

/** The last part of a path, a hub id or an address, without the ending of a file of weights. */
export function lastName(source: string): string {
  const parts = source.replace(/[?#].*$/s, "").split(/[\\/]/);
  return (parts.findLast((part) => part !== "") ?? "").replace(/\.(safetensors|ckpt|bin|pt|pth)$/i, "");
}
