import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { lastName } from "./named-source.js";

/** A LoRA or an embedding in a folder. */
export interface AdapterFile {
  /** The file's name without the ending. */
  readonly name: string;
  readonly path: string;
}

/** Levels of folders that are looked into: a whole disk given by mistake has an end. */
const DEEPEST = 8;

/** The `.safetensors` files in folders and below, by name. Hidden folders, and folders that cannot be read, are left out. */
export async function adapterFiles(folders: readonly string[]): Promise<AdapterFile[]> {
  const found: AdapterFile[] = [];
  for (const folder of folders) await collect(folder, 0, found);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function collect(folder: string, depth: number, found: AdapterFile[]): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.sort()) {
    const path = join(folder, name);
    // `stat` follows links: collections of models are often made of them.
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile() && /\.safetensors$/i.test(name)) found.push({ name: lastName(name), path });
    if (entry?.isDirectory() && depth < DEEPEST && !name.startsWith(".")) await collect(path, depth + 1, found);
  }
}

/** The embeddings whose names are words of `text`, in whatever capitals, each with the word as it stands there. */
export function embeddingsIn(text: string, files: readonly AdapterFile[]): { readonly source: string; readonly token: string }[] {
  return files.flatMap(({ name, path }) => {
    const word = name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    const [token] = new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, "iu").exec(text) ?? [];
    return token === undefined ? [] : [{ source: path, token }];
  });
}
