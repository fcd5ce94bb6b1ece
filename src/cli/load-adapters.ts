import { createHash } from "node:crypto";
import { locationOf } from "#platform";
import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import { ArgumentError } from "../errors.js";
import type { FoundFile } from "../hub/open-file.js";
import type { LatentDiffusionPipeline } from "../pipelines/latent-diffusion.js";
import type { LoraTag } from "../prompt/lora-tags.js";
import { warn } from "../warnings.js";
import type { OpenAdapters, OpenEmbedding, OpenLora } from "./find-adapters.js";

/** What LoRAs and embeddings are loaded into. */
export type Adaptable = Pick<
  LatentDiffusionPipeline<never>,
  "loadLoraWeights" | "setAdapters" | "getListAdapters" | "loadTextualInversion"
>;

/** A LoRA at work. */
export interface LoraInUse extends LoraTag {
  readonly file: string;
  /** As AUTOMATIC1111's web UI shortens it. */
  readonly hash: string;
  /** Names of its tensors that fit no layer. */
  readonly unmatched: readonly string[];
}

/** An embedding that prompts can use. */
export interface EmbeddingInUse {
  readonly tokens: readonly string[];
  readonly file: string;
  readonly hash: string;
}

/** What was loaded beside the checkpoint. */
export interface AdaptersInUse {
  readonly loras: readonly LoraInUse[];
  readonly embeddings: readonly EmbeddingInUse[];
}

/** Letters of a hash that AUTOMATIC1111's web UI writes. */
const HASH_LENGTH = 12;
/** Bytes of a file that are in memory at once while it is hashed. */
const HASHED_AT_ONCE = 2 ** 24;

/** Loads all adapters into a pipeline, once for all its pictures. @throws CheckpointError, ArgumentError */
export async function loadAdapters(pipe: Adaptable, adapters: OpenAdapters, prompts: string): Promise<AdaptersInUse> {
  return {
    embeddings: await loadEmbeddings(pipe, adapters.embeddings, prompts),
    loras: await loadLoras(pipe, adapters.loras),
  };
}

async function loadEmbeddings(pipe: Adaptable, embeddings: readonly OpenEmbedding[], prompts: string): Promise<EmbeddingInUse[]> {
  const loaded: EmbeddingInUse[] = [];
  for (const { source, token, file } of embeddings) {
    const tokens = await pipe.loadTextualInversion(file.folder, { weightName: file.path, token }).catch((error: unknown) => {
      throw error instanceof ArgumentError ? tokenTaken(error, source, token) : error;
    });
    if (tokens.some((each) => prompts.toLowerCase().includes(each.toLowerCase()))) {
      loaded.push({ tokens, file: await pathOf(file), hash: await hashFrom(file, 0) });
    } else warn(`${source} is written as ${tokens.join(", ")}, which stands neither in the prompt nor in --negative`);
  }
  return loaded;
}

/** A file found in --embedding-dir may be called as an ordinary word is. */
function tokenTaken(error: ArgumentError, source: string, token: string | undefined): ArgumentError {
  const name = (token ?? "token").replace(/[<>]/g, "");
  return new ArgumentError(`${source}: ${error.message}`, {
    hint: `write another token in the prompt, and give it with the file: --embedding "${source}:<my-${name}>"`,
    cause: error,
  });
}

async function loadLoras(pipe: Adaptable, loras: readonly OpenLora[]): Promise<LoraInUse[]> {
  const loaded: LoraInUse[] = [];
  // A LoRA given twice counts twice, so names alone do not tell them apart.
  const adapters = loras.map(({ name }, i) => `${i + 1}. ${name}`);
  for (const [i, { name, weight, unetWeight, file }] of loras.entries()) {
    const { unmatched } = await pipe.loadLoraWeights(file.folder, { weightName: file.path, adapterName: adapters[i] });
    loaded.push({ name, weight, unetWeight, unmatched, file: await pathOf(file), hash: await loraHash(file) });
  }
  if (loaded.length === 0) return loaded;
  const components = Object.keys(pipe.getListAdapters());
  const weights = loaded.map(({ weight, unetWeight = weight }) =>
    Object.fromEntries(components.map((component) => [component, component === "unet" ? unetWeight : weight])),
  );
  pipe.setAdapters(adapters, weights);
  return loaded;
}

/** The hash that kohya-ss's scripts write into the file, or what they would write: that of the tensors, without the header. */
async function loraHash(file: FoundFile): Promise<string> {
  const { metadata, tensors } = await readSafetensorsHeader(file.folder, file.path);
  const written = metadata.get("sshs_model_hash");
  if (written !== undefined && /^[0-9a-f]{12,}$/i.test(written)) return written.slice(0, HASH_LENGTH);
  const [first] = tensors.values();
  return hashFrom(file, first?.offset ?? 0);
}

async function hashFrom(file: FoundFile, start: number): Promise<string> {
  const { folder, path } = file;
  const hash = createHash("sha256");
  const size = await folder.size(path);
  for (let at = start; at < size; at += HASHED_AT_ONCE) hash.update(await folder.read(path, at, Math.min(HASHED_AT_ONCE, size - at)));
  return hash.digest("hex").slice(0, HASH_LENGTH);
}

async function pathOf({ folder, path }: FoundFile): Promise<string> {
  return locationOf(await folder.file(path));
}
