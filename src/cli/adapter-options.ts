import { existsSync } from "node:fs";
import { ArgumentError } from "../errors.js";
import { extractLoraTags, findLoraTag, type LoraTag } from "../prompt/lora-tags.js";
import { nameOf } from "./settings.js";
import { toNumber, wrongValue } from "./values.js";

/** A LoRA that is asked for, by `--lora` or by a tag in the prompt. */
export interface AskedLora extends LoraTag {
  /** A file, a folder or a hub id; a tag's is looked for in `--lora-dir` by its name. */
  readonly source: string | undefined;
}

/** An embedding that is asked for. */
export interface AskedEmbedding {
  /** A file, a folder or a hub id. */
  readonly source: string;
  /** What stands for it in prompts; undefined for the name that the file carries or has. */
  readonly token: string | undefined;
}

/** The options that say what is loaded beside the checkpoint, and how prompts are read. */
export interface AdapterOptions {
  readonly negative?: string;
  readonly lora?: readonly AskedLora[];
  readonly loraDir?: string;
  readonly embedding?: readonly AskedEmbedding[];
  readonly embeddingDir?: string;
  readonly weighted?: boolean;
}

/** What is loaded beside the checkpoint. */
export interface AdapterRequest {
  /** The prompt without its tags. */
  readonly prompt: string | undefined;
  /** The prompt as AUTOMATIC1111's web UI would be asked for the same: a tag for each LoRA. */
  readonly taggedPrompt: string | undefined;
  readonly loras: readonly AskedLora[];
  readonly loraDir: string | undefined;
  readonly embeddings: readonly AskedEmbedding[];
  readonly embeddingDir: string | undefined;
  /** Whether prompts are read as AUTOMATIC1111's web UI does. */
  readonly weighted: boolean;
}

/** Reads `SOURCE` or `SOURCE:WEIGHT`, the value of `--lora`. @throws ArgumentError */
export function loraOption(text: string): AskedLora {
  const [source, rest] = splitSource(text);
  const weight = rest === undefined ? 1 : toNumber(rest);
  if (Number.isFinite(weight) && source !== "") return { source, name: nameOfAdapter(source), weight };
  throw wrongValue(
    "--lora",
    text,
    "a file, a folder or a hub id, with :WEIGHT behind it if that is not 1",
    "example: --lora fox.safetensors:0.8",
  );
}

/** Reads `SOURCE` or `SOURCE:TOKEN`, the value of `--embedding`. @throws ArgumentError */
export function embeddingOption(text: string): AskedEmbedding {
  const [source, token] = splitSource(text);
  if (source !== "" && token !== "") return { source, token };
  const example = 'example: --embedding "cat.safetensors:<cat>"';
  throw wrongValue("--embedding", text, "a file, a folder or a hub id, with :TOKEN behind it if that is not the file's name", example);
}

/**
 * Takes the LoRA tags out of the prompt.
 * @throws ArgumentError for a tag that cannot be followed: without `--lora-dir`, in the negative prompt, or malformed.
 */
export function toAdapters(written: string | undefined, options: AdapterOptions): AdapterRequest {
  const { negative = "", lora = [], loraDir, embedding = [], embeddingDir, weighted = false } = options;
  const unheard = findLoraTag(negative);
  if (unheard !== undefined) {
    throw new ArgumentError(`--negative holds the tag ${unheard}; a LoRA changes the networks, whichever prompt names it`, {
      hint: "put the tag into the prompt; a negative weight draws away from what the LoRA was trained on",
    });
  }
  const { prompt, loras } = extractLoraTags(written ?? "");
  const [tag] = loras;
  if (tag && loraDir === undefined) {
    throw new ArgumentError(`the prompt holds the tag ${findLoraTag(written ?? "")}, and no --lora-dir says where LoRAs are`, {
      hint: `add --lora-dir and the folder of ${tag.name}.safetensors, or take the tag out and add --lora with the file`,
    });
  }
  const tags = lora.map(({ name, weight }) => `<lora:${name}:${weight}>`);
  return {
    prompt: tag ? prompt.trim() : written,
    taggedPrompt: written === undefined ? undefined : [written, ...tags].filter((part) => part !== "").join(" "),
    loras: [...lora, ...loras.map((each) => ({ ...each, source: undefined }))],
    loraDir,
    embeddings: embedding,
    embeddingDir,
    weighted,
  };
}

/**
 * Splits `SOURCE:REST` at its last colon: not at the colon of a drive (`C:\loras`) or an address (`https://`), and not where there is something of
 * the whole name.
 */
function splitSource(text: string): [source: string, rest: string | undefined] {
  const [, source, rest] = /^(.{2,}):([^:/\\]*)$/su.exec(text) ?? [];
  return source === undefined || existsSync(text) ? [text, undefined] : [source, rest];
}

/** What an adapter is called: the last name of what it was given by, without its ending and what would end a tag or a list of hashes. */
function nameOfAdapter(source: string): string {
  const name = nameOf(source).replace(/[<>:,]/g, "");
  return name === "" ? "lora" : name;
}
