import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ArgumentError } from "../errors.js";
import type { AdapterLibrary, AdapterShelf } from "../generate/adapter-library.js";
import type { EmbeddingRequest, LoraRequest } from "../generate/open-request.js";
import { toNumber, wrongValue } from "./values.js";

/** A LoRA or an embedding on the command line. */
type Given<Request> = Request & { readonly source: string };

/** The options for folders of adapters. */
export interface LibraryOptions {
  readonly loraDir?: string;
  readonly embedding?: readonly Given<EmbeddingRequest>[];
  readonly embeddingDir?: string;
}

/** Reads `SOURCE` or `SOURCE:WEIGHT`, the value of `--lora`. @throws ArgumentError */
export function loraOption(text: string): Given<LoraRequest> {
  const [source, rest] = splitSource(text);
  const weight = rest === undefined ? 1 : toNumber(rest);
  if (Number.isFinite(weight) && source !== "") return { source, weight };
  throw wrongValue(
    "--lora",
    text,
    "a file, a folder or a hub id, followed by :WEIGHT if that is not 1",
    "example: --lora fox.safetensors:0.8",
  );
}

/** Reads `SOURCE` or `SOURCE:TOKEN`, the value of `--embedding`. @throws ArgumentError */
export function embeddingOption(text: string): Given<EmbeddingRequest> {
  const [source, token] = splitSource(text);
  if (source !== "" && token !== "") return { source, token };
  const example = 'example: --embedding "cat.safetensors:<cat>"';
  throw wrongValue("--embedding", text, "a file, a folder or a hub id, followed by :TOKEN if that is not the file's name", example);
}

/** The folders `--lora-dir` and `--embedding-dir` with all folders below, as in AUTOMATIC1111's web UI. */
export function libraryOf({ loraDir, embedding = [], embeddingDir }: LibraryOptions): AdapterLibrary {
  const given = embedding.map(({ source }) => resolve(source));
  return {
    loras: loraDir === undefined ? undefined : shelfOf("--lora-dir", loraDir),
    embeddings: embeddingDir === undefined ? undefined : shelfOf("--embedding-dir", embeddingDir, (path) => !given.includes(resolve(path))),
  };
}

function shelfOf(option: string, folder: string, isWanted: (path: string) => boolean = () => true): AdapterShelf {
  return {
    name: folder,
    async list() {
      try {
        const { adaptersBelow } = await import("./walk.js");
        return (await adaptersBelow(folder)).filter(isWanted);
      } catch (error) {
        if (!(error instanceof ArgumentError)) throw error;
        throw new ArgumentError(`${option}: ${error.message}`, {
          hint: "give a folder with .safetensors files, in it or below",
          cause: error,
        });
      }
    },
  };
}

/**
 * Splits `SOURCE:REST` at its last colon; not at that of a drive (`C:\loras`) or an address (`https://`), and not if the whole text is a
 * path.
 */
export function splitSource(text: string): [source: string, rest: string | undefined] {
  const [, source, rest] = /^(.{2,}):([^:/\\]*)$/su.exec(text) ?? [];
  return source === undefined || existsSync(text) ? [text, undefined] : [source, rest];
}
