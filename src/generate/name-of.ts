import { withoutEnding } from "../checkpoint/pickles.js";
import type { ModelSource } from "./model-source.js";

/** How people know a checkpoint: the last name of its folder, file or hub id, without the ending. */
export function nameOf(source: ModelSource): string {
  return withoutEnding(lastName(pathOf(source)));
}

/** A source as messages name it. */
export function pathOf(source: ModelSource): string {
  return typeof source === "string" ? source : source.name;
}

/** The last name of a path or a web address. Paths may come from any system, for example with an upload. */
export function lastName(path: string): string {
  const address = /^https?:/i.test(path) ? path.replace(/[?#].*$/s, "") : path;
  return /[^\\/]*$/.exec(address.replace(/[\\/]+$/, ""))?.[0] ?? path;
}
