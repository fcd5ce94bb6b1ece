import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { ArgumentError } from "../errors.js";
import type { AdapterSource, FoundAdapter } from "../hub/find-adapter.js";
import type { SourceOptions } from "../hub/open-checkpoint.js";
import { isRepositoryId } from "../hub/repository-id.js";
import { findLora } from "../lora/find-lora.js";
import { nearestNames } from "../nearest.js";
import type { LoraTag } from "../prompt/lora-tags.js";
import type { AdapterRequest, AskedEmbedding } from "./adapter-options.js";
import { safetensorsBelow } from "./walk.js";

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
  readonly file: FoundAdapter;
}

/** An embedding whose file can be read. */
export interface OpenEmbedding extends AskedEmbedding {
  readonly file: FoundAdapter;
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
  const isTagged = loras.some(({ source }) => source === undefined);
  const files = loraDir !== undefined && isTagged ? filesByName(await safetensorsBelow(loraDir)) : new Map<string, readonly string[]>();
  const given = embeddings.map(({ source }) => resolve(source));
  const inFolder =
    embeddingDir === undefined ? [] : (await safetensorsBelow(embeddingDir)).filter((path) => !given.includes(resolve(path)));
  return {
    loras: loras.map((lora) => ({ ...lora, source: lora.source ?? fileOf(lora.name, files, loraDir ?? "") })),
    embeddings: [...embeddings, ...named(inFolder, `${prompt}\n${negativePrompt}`)],
  };
}

/** Opens what was located: what is on the hub is downloaded. @throws CheckpointError, HubError; the signal's reason */
export async function openAdapters(located: LocatedAdapters, from: (source: string) => SourceOptions): Promise<OpenAdapters> {
  const open = async (source: string, find: (source: string, options: AdapterSource) => Promise<FoundAdapter>) => {
    const { source: place, ...file } = hubFile(source) ?? { source };
    return find(place, { ...from(place), ...file });
  };
  const loras: OpenLora[] = [];
  const embeddings: OpenEmbedding[] = [];
  for (const lora of located.loras) loras.push({ ...lora, file: await open(lora.source, findLora) });
  if (located.embeddings.length > 0) {
    const { findEmbedding } = await import("../pipelines/textual-inversion.js");
    for (const each of located.embeddings) embeddings.push({ ...each, file: await open(each.source, findEmbedding) });
  }
  return { loras, embeddings };
}

/** Whether `source` is not on this machine: a hub id, a file in a repository, where no path here begins like that, or a web address. */
export function isRemote(source: string): boolean {
  return ADDRESS.test(source) || (isRepositoryId(source) && !existsSync(source)) || hubFile(source) !== undefined;
}

/** Addresses of files on the hub often go without their beginning. */
const ADDRESS = /^(https?:\/\/|huggingface\.co\/|hf\.co\/)/i;

/** A file of a hub repository that has several: `owner/name/file.safetensors`, with folders before the file's name where it lies in them. */
function hubFile(source: string): (Pick<AdapterSource, "weightName" | "subfolder"> & { readonly source: string }) | undefined {
  const [, id = "", subfolder, weightName = ""] = /^([^/]+\/[^/]+)\/(?:(.+)\/)?([^/]+\.safetensors)$/i.exec(source) ?? [];
  // What begins with a folder that is there was meant for a path.
  if (!isRepositoryId(id) || ADDRESS.test(source) || existsSync(id.split("/")[0] ?? "")) return undefined;
  return { source: id, weightName, subfolder };
}

/** Files by their names without ending. */
function filesByName(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const path of paths) files.set(stemOf(path), [...(files.get(stemOf(path)) ?? []), path]);
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
    const [token] = new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(stemOf(path))}(?![\\p{L}\\p{N}_])`, "iu").exec(text) ?? [];
    return token === undefined ? [] : [{ source: path, token }];
  });
}

function stemOf(path: string): string {
  return basename(path).replace(/\.safetensors$/i, "");
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
