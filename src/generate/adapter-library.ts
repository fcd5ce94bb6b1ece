import { isPickle } from "../checkpoint/pickles.js";
import { ArgumentError } from "../errors.js";
import { given, isPlain } from "../given.js";
import { nearestNames } from "../nearest.js";
import { type Field, field, hasMethods } from "../options/fields.js";
import type { ModelSource } from "./model-source.js";
import { nameOf } from "./name-of.js";
import type { EmbeddingRequest, LoraRequest } from "./open-request.js";

/** Adapters that requests and prompts find by their names. A program lists a folder, a database or uploads. */
export interface AdapterLibrary {
  /** The LoRAs that prompts name by tags, `<lora:name:0.8>`. */
  readonly loras?: AdapterShelf | undefined;
  /** The embeddings that prompts name by their words. */
  readonly embeddings?: AdapterShelf | undefined;
}

/** The adapters of one kind. */
export interface AdapterShelf {
  /** How messages name it, such as the folder's path. */
  readonly name: string;
  /**
   * The files or hub ids. The name of each is its last part, without the ending. A pickle counts only if no safetensors file has its name,
   * and is refused when it is used.
   */
  list(): Promise<readonly string[]> | readonly string[];
}

/** The library as an option. A shelf may be an instance of a class. */
export const adapterLibrary: Field<AdapterLibrary> = field(isLibrary, "{ loras, embeddings }, each with a name and a function list");

function isLibrary(value: unknown): boolean {
  if (!isPlain(value)) return false;
  return Object.entries(value).every(
    ([key, shelf]) => ["loras", "embeddings"].includes(key) && ((shelf ?? undefined) === undefined || isShelf(shelf)),
  );
}

function isShelf(value: unknown): boolean {
  return hasMethods(value, "list") && typeof (value as { readonly name?: unknown }).name === "string";
}

/** A LoRA, and where it is. */
export interface LocatedLora extends LoraRequest {
  readonly source: ModelSource;
  readonly name: string;
  readonly weight: number;
}

/** What is loaded beside the checkpoint, in the order in which it was given. */
export interface Adapters<Lora, Embedding> {
  readonly loras: readonly Lora[];
  readonly embeddings: readonly Embedding[];
}

/** Adapters whose places are known. */
export type LocatedAdapters = Adapters<LocatedLora, EmbeddingRequest>;

/** How many names of LoRAs an error lists. */
const NEAREST = 5;

/**
 * Looks up adapters in the library: LoRAs without a source by their names, and embeddings whose names are words of `texts`.
 * @throws ArgumentError for a name that no file has, or several have; whatever the library throws.
 */
export async function locateAdapters(
  { loras = [], embeddings = [] }: { readonly loras?: readonly LoraRequest[]; readonly embeddings?: readonly EmbeddingRequest[] },
  { loras: loraShelf, embeddings: embeddingShelf }: AdapterLibrary,
  texts: string,
): Promise<LocatedAdapters> {
  // Listed even if nothing is looked up, since a folder that does not exist is a mistake.
  const files = loraShelf && filesByName(await filesOf(loraShelf));
  const found = embeddingShelf ? named(await filesOf(embeddingShelf), texts) : [];
  return {
    loras: loras.map((lora) => locateLora(lora, loraShelf?.name, files)),
    embeddings: [...embeddings, ...found.filter(({ source }) => !embeddings.some((given) => given.source === source))],
  };
}

function locateLora(
  { source, name, weight = 1, ...lora }: LoraRequest,
  shelf: string | undefined,
  files: ReadonlyMap<string, readonly string[]> | undefined,
): LocatedLora {
  if (source !== undefined) return { ...lora, source, name: nameForTag(name ?? nameOf(source)), weight };
  if (name === undefined) {
    throw new ArgumentError((option) => `${option("loras")} holds a LoRA with neither source nor name; expected one of them`, {
      argument: "loras",
    });
  }
  if (!files) {
    throw new ArgumentError((option) => `the LoRA ${name} is given by its name, and no ${option("library.loras")} says where LoRAs are`, {
      argument: "loras",
      hint: (option) =>
        `add ${option("library.loras")} and the folder of ${name}.safetensors, or name the file: ${option("loras", { code: "loras: [{ source }]" })}`,
    });
  }
  return { ...lora, name, weight, source: fileOf(name, files, shelf ?? "") };
}

async function filesOf(shelf: AdapterShelf): Promise<readonly string[]> {
  const paths: unknown = await shelf.list();
  if (!isListOfPaths(paths)) {
    throw new ArgumentError(
      (option) => `list of ${shelf.name} gave ${given(paths)}; expected a list of files or hub ids for ${option("library")}`,
      {
        argument: "library",
      },
    );
  }
  const readable = new Set(paths.filter((path) => !isPickle(path)).map(nameOf));
  return paths.filter((path) => !isPickle(path) || !readable.has(nameOf(path)));
}

function isListOfPaths(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((path) => typeof path === "string" && path !== "");
}

function filesByName(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const path of paths) files.set(nameOf(path), [...(files.get(nameOf(path)) ?? []), path]);
  return files;
}

function fileOf(name: string, files: ReadonlyMap<string, readonly string[]>, shelf: string): string {
  const [file, ...others] = files.get(name) ?? [];
  if (file !== undefined && others.length === 0) return file;
  if (file !== undefined) {
    throw new ArgumentError(`several files have the name ${name}: ${[file, ...others].join(", ")}`, {
      hint: (option) => `rename all but one of them, or name the file: ${option("loras", { code: "loras: [{ source }]" })}`,
    });
  }
  const nearest = nearestNames(name, files.keys(), NEAREST);
  throw new ArgumentError(`${shelf} has no LoRA called ${name}: no ${name}.safetensors is in it or below`, {
    hint: nearest.length > 0 ? `the nearest names there are ${nearest.join(", ")}` : "there is no .safetensors file at all",
  });
}

/** The embeddings with names that are words of `text`, in upper or lower case. The token of each is the word as it is in `text`. */
function named(paths: readonly string[], text: string): EmbeddingRequest[] {
  return paths.flatMap((path) => {
    const [token] = new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(nameOf(path))}(?![\\p{L}\\p{N}_])`, "iu").exec(text) ?? [];
    return token === undefined ? [] : [{ source: path, token }];
  });
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** A name without the characters that would end a tag or a list of hashes. */
function nameForTag(name: string): string {
  return name.replace(/[<>:,]/g, "") || "lora";
}
