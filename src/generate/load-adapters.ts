import { sha256 } from "#platform";
import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import type { SourceOptions } from "../checkpoint/source.js";
import { ArgumentError } from "../errors.js";
import { findEmbedding } from "../hub/find-embedding.js";
import { findLora } from "../hub/find-lora.js";
import { type ExistingSource, expectThere, findSource } from "../hub/find-source.js";
import type { FoundFile } from "../hub/open-file.js";
import type { LatentDiffusionPipeline } from "../pipelines/latent-diffusion.js";
import type { LoraTag } from "../prompt/lora-tags.js";
import type { Adapters, LocatedAdapters, LocatedLora } from "./adapter-library.js";
import type { ModelSource } from "./model-source.js";
import { pathOf } from "./name-of.js";
import type { EmbeddingRequest } from "./open-request.js";

/** Adapters whose files can be read. */
export type OpenAdapters = Adapters<LocatedLora & { readonly file: FoundFile }, EmbeddingRequest & { readonly file: FoundFile }>;

/** A pipeline that LoRAs and embeddings are loaded into. */
export type Adaptable = Pick<
  LatentDiffusionPipeline<never>,
  "loadLoraWeights" | "setAdapters" | "getListAdapters" | "loadTextualInversion"
>;

/** A LoRA that is loaded. */
export interface LoadedLoraFile extends LoraTag {
  /** Its file. */
  readonly file: FoundFile;
  /** The start of the hash by which AUTOMATIC1111's web UI knows it. */
  readonly hash: string;
  /** Names of its tensors that fit no layer. */
  readonly unmatched: readonly string[];
}

/** An embedding that is loaded. */
export interface LoadedEmbedding {
  /** The words for it in prompts. */
  readonly tokens: readonly string[];
  /** Its file. */
  readonly file: FoundFile;
  /** The start of the hash by which AUTOMATIC1111's web UI knows it. */
  readonly hash: string;
  /** The file, folder or hub id that was given. */
  readonly source: string;
}

/** The adapters in a pipeline. */
export type LoadedAdapters = Adapters<LoadedLoraFile, LoadedEmbedding>;

/** Letters of a hash that AUTOMATIC1111's web UI writes. */
const HASH_LENGTH = 12;

/** Bytes that are hashed at a time. */
const CHUNK = 2 ** 20;

/** Adapters whose sources exist. */
export type FoundAdapters = Adapters<Found<LocatedLora>, Found<EmbeddingRequest>>;
type Found<Adapter> = Adapter & { readonly found: ExistingSource };

/** Parses the sources of adapters. @throws CheckpointError for a path that does not exist */
export async function findAdapters({ loras, embeddings }: LocatedAdapters): Promise<FoundAdapters> {
  return { loras: await withSources(loras), embeddings: await withSources(embeddings) };
}

async function withSources<Adapter extends { readonly source: ModelSource }>(adapters: readonly Adapter[]): Promise<Found<Adapter>[]> {
  const all: Found<Adapter>[] = [];
  for (const adapter of adapters) all.push({ ...adapter, found: await expectThere(await findSource(adapter.source)) });
  return all;
}

/** Opens the files of adapters. Those on the hub are downloaded. @throws CheckpointError, HubError; the signal's reason */
export async function openAdapters(adapters: FoundAdapters, from: (source: ModelSource) => SourceOptions): Promise<OpenAdapters> {
  const loras: OpenAdapters["loras"][number][] = [];
  const embeddings: OpenAdapters["embeddings"][number][] = [];
  for (const { found, ...lora } of adapters.loras) loras.push({ ...lora, file: await findLora(found, from(lora.source)) });
  for (const { found, ...each } of adapters.embeddings) embeddings.push({ ...each, file: await findEmbedding(found, from(each.source)) });
  return { loras, embeddings };
}

/** Loads all adapters into a pipeline and the pipelines that share its networks. @throws CheckpointError, ArgumentError */
export async function loadAdapters(pipe: Adaptable, { loras, embeddings }: OpenAdapters): Promise<LoadedAdapters> {
  return { embeddings: await loadEmbeddings(pipe, embeddings), loras: await loadLoras(pipe, loras) };
}

async function loadEmbeddings(pipe: Adaptable, embeddings: OpenAdapters["embeddings"]): Promise<LoadedEmbedding[]> {
  const loaded: LoadedEmbedding[] = [];
  for (const { source, token, file } of embeddings) {
    const tokens = await pipe.loadTextualInversion(file.folder, { weightName: file.path, token }).catch((error: unknown) => {
      throw error instanceof ArgumentError ? tokenTaken(error, pathOf(source), token) : error;
    });
    loaded.push({ tokens, file, hash: await hashFrom(file, 0), source: pathOf(source) });
  }
  return loaded;
}

/** The error for a token that the tokenizer has already, such as an ordinary word. */
function tokenTaken(error: ArgumentError, source: string, token: string | undefined): ArgumentError {
  const other = `<my-${(token ?? "token").replace(/[<>]/g, "")}>`;
  return new ArgumentError(`${source}: ${error.message}`, {
    argument: "embeddings",
    hint: (name) =>
      `write another token in the prompt, and give it with the file: ${name("embeddings", {
        value: `"${source}:${other}"`,
        code: `embeddings: [{ source: "${source}", token: "${other}" }]`,
      })}`,
    cause: error,
  });
}

/** The networks that the second weight of a tag is for. */
const DENOISERS: readonly string[] = ["unet", "transformer"];

async function loadLoras(pipe: Adaptable, loras: OpenAdapters["loras"]): Promise<LoadedLoraFile[]> {
  const loaded: LoadedLoraFile[] = [];
  // A LoRA given twice counts twice, so names alone are not unique.
  const adapters = loras.map(({ name }, i) => `${i + 1}. ${name}`);
  for (const [i, { name, weight, unetWeight, file }] of loras.entries()) {
    const { unmatched } = await pipe.loadLoraWeights(file.folder, { weightName: file.path, adapterName: adapters[i] });
    loaded.push({ name, weight, ...(unetWeight !== undefined && { unetWeight }), unmatched, file, hash: await loraHash(file) });
  }
  if (loaded.length === 0) return loaded;
  const components = Object.keys(pipe.getListAdapters());
  const weights = loaded.map(({ weight, unetWeight = weight }) =>
    Object.fromEntries(components.map((component) => [component, DENOISERS.includes(component) ? unetWeight : weight])),
  );
  pipe.setAdapters(adapters, weights);
  return loaded;
}

/** The hash that kohya-ss's scripts write into the file; without it, the one they would write: that of the tensors, without the header. */
async function loraHash(file: FoundFile): Promise<string> {
  const { metadata, tensors } = await readSafetensorsHeader(file.folder, file.path);
  const written = metadata.get("sshs_model_hash");
  if (written !== undefined && /^[0-9a-f]{12,}$/i.test(written)) return written.slice(0, HASH_LENGTH);
  const [first] = tensors.values();
  return hashFrom(file, first?.offset ?? 0);
}

async function hashFrom(file: FoundFile, start: number): Promise<string> {
  return (await sha256(chunksOf(file, start))).slice(0, HASH_LENGTH);
}

async function* chunksOf({ folder, path }: FoundFile, start: number): AsyncGenerator<Uint8Array, void, void> {
  const size = await folder.size(path);
  for (let offset = start; offset < size; offset += CHUNK) yield folder.read(path, offset, Math.min(CHUNK, size - offset));
}
