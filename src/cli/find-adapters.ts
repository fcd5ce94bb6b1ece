import { resolve } from "node:path";
import { isPickle } from "../checkpoint/pickles.js";
import type { SourceOptions } from "../checkpoint/source.js";
import { ArgumentError } from "../errors.js";
import { findLora } from "../hub/find-lora.js";
import type { FoundFile } from "../hub/open-file.js";
import { nearestNames } from "../nearest.js";
import type { LoraTag } from "../prompt/lora-tags.js";
import type { AdapterRequest, AskedEmbedding } from "./adapter-options.js";
import { nameOf } from "./settings.js";
import { adaptersBelow } from "./walk.js";

/** A LoRA, and where it is. */
export interface LocatedLora extends LoraTag {
  readonly source: string;
}

/** What is loaded beside the checkpoint, and where it is. */
export interface LocatedAdapters {
  readonly loras: readonly LocatedLora[];
  readonly embeddings: readonly AskedEmbedding[];
}

/** A LoRA whose file can be read. */
export interface OpenLora extends LocatedLora {
  readonly file: FoundFile;
}

/** An embedding whose file can be read. */
export interface OpenEmbedding extends AskedEmbedding {
  readonly file: FoundFile;
}

/** What is loaded beside the checkpoint, ready to be loaded. */
export interface OpenAdapters {
  readonly loras: readonly OpenLora[];
  readonly embeddings: readonly OpenEmbedding[];
}

/** How many names of LoRAs an error lists. */
const NEAREST = 5;

/**
 * Looks for what prompts name in `--lora-dir` and `--embedding-dir`, both with all folders below, as AUTOMATIC1111's web UI does.
 * @throws ArgumentError for a folder that cannot be read, or a tag that names no file in it or several.
 */
export async function locateAdapters(request: AdapterRequest & { readonly negativePrompt: string | undefined }): Promise<LocatedAdapters> {
  const { loras, loraDir, embeddings, embeddingDir, prompt = "", negativePrompt = "" } = request;
  // Also where no tag names one of them: a folder that is not there is a mistake.
  const files = filesByName(await filesIn("--lora-dir", loraDir));
  const given = embeddings.map(({ source }) => resolve(source));
  const inFolder = (await filesIn("--embedding-dir", embeddingDir)).filter((path) => !given.includes(resolve(path)));
  return {
    loras: loras.map((lora) => ({ ...lora, source: lora.source ?? fileOf(lora.name, files, loraDir ?? "") })),
    embeddings: [...embeddings, ...named(inFolder, `${prompt}\n${negativePrompt}`)],
  };
}

/** Opens what was located: what is on the hub is downloaded. @throws CheckpointError, HubError; the signal's reason */
export async function openAdapters(located: LocatedAdapters, from: (source: string) => SourceOptions): Promise<OpenAdapters> {
  const loras: OpenLora[] = [];
  const embeddings: OpenEmbedding[] = [];
  for (const lora of located.loras) loras.push({ ...lora, file: await findLora(lora.source, from(lora.source)) });
  if (located.embeddings.length > 0) {
    const { findEmbedding } = await import("../pipelines/adapters/textual-inversions.js");
    for (const each of located.embeddings) embeddings.push({ ...each, file: await findEmbedding(each.source, from(each.source)) });
  }
  return { loras, embeddings };
}

/** The adapter files in the folder that an option names, and below. Includes pickles without a safetensors file of the same name, to refuse them with a reason. */
async function filesIn(option: string, folder: string | undefined): Promise<readonly string[]> {
  if (folder === undefined) return [];
  try {
    const paths = await adaptersBelow(folder);
    const readable = new Set(paths.filter((path) => !isPickle(path)).map(nameOf));
    return paths.filter((path) => !isPickle(path) || !readable.has(nameOf(path)));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new ArgumentError(`${option}: ${error.message}`, { hint: "give a folder with .safetensors files, in it or below", cause: error });
  }
}

/** Files by their names without ending. */
function filesByName(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const path of paths) files.set(nameOf(path), [...(files.get(nameOf(path)) ?? []), path]);
  return files;
}

function fileOf(name: string, files: ReadonlyMap<string, readonly string[]>, folder: string): string {
  const [file, ...others] = files.get(name) ?? [];
  if (file !== undefined && others.length === 0) return file;
  if (file !== undefined) {
    throw new ArgumentError(`<lora:${name}> may be any of ${[file, ...others].join(", ")}`, {
      hint: "rename all but one of them, or give the one that is meant with --lora",
    });
  }
  const nearest = nearestNames(name, files.keys(), NEAREST);
  throw new ArgumentError(`${folder} has no LoRA called ${name}: no ${name}.safetensors is in it or below`, {
    hint: nearest.length > 0 ? `the nearest names there are ${nearest.join(", ")}` : "there is no .safetensors file at all",
  });
}

/** The embeddings whose names stand in `text` as words, in whatever capitals; each by the name as it stands there. */
function named(paths: readonly string[], text: string): AskedEmbedding[] {
  return paths.flatMap((path) => {
    const [token] = new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(nameOf(path))}(?![\\p{L}\\p{N}_])`, "iu").exec(text) ?? [];
    return token === undefined ? [] : [{ source: path, token }];
  });
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
