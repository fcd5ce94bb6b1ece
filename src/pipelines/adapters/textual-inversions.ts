import * as v from "valibot";
import { type EmbeddingTable, readTextualInversion, type TextualInversion } from "../../checkpoint/textual-inversion.js";
import { ArgumentError, CheckpointError } from "../../errors.js";
import { describeTextEncoder } from "../../families/lookups.js";
import { wrongArgument } from "../../given.js";
import { ADAPTER_FIELDS, type AdapterSource } from "../../hub/find-adapter.js";
import { findEmbedding } from "../../hub/find-embedding.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, names, text, texts } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import type { StoredTensor } from "../../tensor/stored-tensor.js";
import { warn } from "../../warnings.js";
import type { ClipTextEncoder } from "../prompt/clip-features.js";
import { expectTextParts } from "../shared/missing-parts.js";

/** Options of `loadTextualInversion`. */
export interface TextualInversionOptions extends Omit<AdapterSource, "token"> {
  /**
   * The token that stands for the embedding in prompts; for several embeddings a list. By default the name inside a file of diffusers'
   * layout, and the file's name without its ending for other layouts. A list for a single file gives each of its vectors a token.
   */
  readonly token?: string | readonly string[] | undefined;
  /** The hub's token, in place of HF_TOKEN and the token that `hf auth login` saved. */
  readonly hfToken?: string | undefined;
}

const TEXTUAL_INVERSION_FIELDS: Fields<TextualInversionOptions> = { ...ADAPTER_FIELDS, token: texts, hfToken: text };

/** The place of an embedding: a `.safetensors` file, or a folder or hub repository with one. */
export type TextualInversionSource = string | Folder;

/** A text encoder, and the vectors in a file that are for it. */
interface Part {
  readonly encoder: ClipTextEncoder;
  readonly table: EmbeddingTable;
}

/** A token to be added, with its vectors for each text encoder. */
interface NewToken {
  readonly token: string;
  readonly vectors: number;
  readonly parts: readonly { readonly encoder: ClipTextEncoder; readonly bytes: StoredTensor }[];
}

/**
 * The embeddings of a pipeline's text encoders. Text encoders and tokenizers keep them, so pipelines that share these share embeddings.
 * Matches diffusers' TextualInversionLoaderMixin.
 */
export class TextualInversions {
  constructor(
    private readonly encoders: readonly ClipTextEncoder[],
    /** Parts that the pipeline needs to read texts and does not have, by property name. */
    private readonly missing: readonly string[] = [],
  ) {}

  /** Tokens of all loaded embeddings. */
  get tokens(): readonly string[] {
    return [...new Set(this.encoders.flatMap(({ tokenizer }) => tokenizer.addedTokens))];
  }

  /** `loadTextualInversion` of the pipeline. */
  async load(
    source: TextualInversionSource | readonly TextualInversionSource[],
    options: TextualInversionOptions,
  ): Promise<readonly string[]> {
    expectTextParts(this.missing);
    const { token, hfToken, ...from } = checkOptions(options, TEXTUAL_INVERSION_FIELDS, { call: "loadTextualInversion" });
    if (this.encoders.length === 0) throw new ArgumentError("this pipeline has no text encoder that takes embeddings");
    const sources = isList(source) ? source : [source];
    const files = await Promise.all(
      sources.map(async (each) => {
        const { folder, path } = await findEmbedding(each, { ...from, token: hfToken });
        return readTextualInversion(folder, path);
      }),
    );
    return this.add(files, tokensOf(files, typeof token === "string" ? [token] : token));
  }

  /**
   * Adds embeddings: all of them, or none if one does not fit. Returns their tokens.
   * @throws CheckpointError for an embedding of another family; ArgumentError for a token that is taken
   */
  add(files: readonly TextualInversion[], tokens: readonly (readonly string[])[] = tokensOf(files, undefined)): readonly string[] {
    const added: string[] = [];
    try {
      for (const each of files.flatMap((file, i) => newTokens(file, tokens[i] ?? [], this.encoders))) {
        add(each);
        added.push(each.token);
      }
    } catch (error) {
      this.unload(added);
      throw error;
    }
    return added;
  }

  /** `unloadTextualInversion` of the pipeline. */
  unload(tokens?: string | readonly string[]): void {
    const loaded = this.tokens;
    if (tokens !== undefined && tokens !== null && !v.is(names, [tokens].flat())) throw wrongArgument("tokens", tokens, texts.expected);
    const wanted = typeof tokens === "string" ? [tokens] : (tokens ?? loaded);
    const unknown = wanted.find((token) => !loaded.includes(token));
    if (unknown !== undefined) {
      throw new ArgumentError(`no embedding was loaded as ${unknown}`, {
        argument: "tokens",
        hint: loaded.length > 0 ? `loaded are ${loaded.join(", ")}` : "none is loaded",
      });
    }
    for (const tokenizer of tokenizersOf(this.encoders)) {
      for (const token of tokenizer.addedTokens.filter((each) => wanted.includes(each))) {
        const ids = tokenizer.removeToken(token);
        for (const encoder of this.encoders) if (encoder.tokenizer === tokenizer) encoder.model.removeEmbeddings(ids);
      }
    }
  }

  /** Records the tokens of embeddings that came with a LoRA, by the adapter's name. */
  recordAdapter(name: string, tokens: readonly string[]): void {
    for (const { model } of this.encoders) model.adapters.addTokens(name, tokens);
  }

  /** Removes the embeddings that came with these adapters. */
  removeOfAdapters(names: readonly string[]): void {
    const tokens = new Set(this.encoders.flatMap(({ model }) => model.adapters.tokensOf(names)));
    this.unload(this.tokens.filter((token) => tokens.has(token)));
  }
}

/** The tokens of each file: one, or one for each of its vectors. @throws ArgumentError if their number is wrong. */
function tokensOf(files: readonly TextualInversion[], given: readonly string[] | undefined): readonly (readonly string[])[] {
  if (!given) return files.map(({ token, stem }) => [token ?? stem]);
  const [file] = files;
  if (files.length === 1 && given.length > 1) {
    if (given.length === file?.vectors) return [given];
    throw new ArgumentError(
      `${given.length} tokens were given for the ${file?.vectors} vectors of ${file?.name}; expected one for all, or one for each`,
      { argument: "token" },
    );
  }
  if (given.length === files.length) return given.map((token) => [token]);
  throw new ArgumentError(`${given.length} tokens were given for ${files.length} embeddings; expected one for each`, {
    argument: "token",
  });
}

/** @throws CheckpointError if the file is not for these text encoders. */
function newTokens(file: TextualInversion, tokens: readonly string[], encoders: readonly ClipTextEncoder[]): readonly NewToken[] {
  const parts = file.layout === "xl" ? partsByName(file, encoders) : [partByWidth(file, encoders)];
  for (const { name } of encoders.filter((encoder) => !parts.some((part) => part.encoder === encoder))) {
    warn(`${file.name} has vectors for ${parts[0]?.encoder.name} only; ${name} reads ${tokens.join(", ")} as plain text`);
  }
  const vectors = tokens.length === 1 ? file.vectors : 1;
  return tokens.map((token, i) => ({
    token,
    vectors,
    parts: parts.map(({ encoder, table }) => ({ encoder, bytes: table.rows(i * vectors, (i + 1) * vectors) })),
  }));
}

/** The first text encoder that takes such vectors. diffusers loads into the first text encoder. */
function partByWidth(file: TextualInversion, encoders: readonly ClipTextEncoder[]): Part {
  const table = file.tables[0] as EmbeddingTable;
  const encoder = encoders.find(({ model }) => model.config.hiddenSize === table.width);
  if (encoder) return { encoder, table };
  throw otherWidth(file, table, encoders);
}

function partsByName(file: TextualInversion, encoders: readonly ClipTextEncoder[]): readonly Part[] {
  const parts = file.tables.flatMap((table) =>
    encoders.filter(({ name }) => name === table.encoder).map((encoder) => ({ encoder, table })),
  );
  const isForTwo = file.tables.some((table) => table.encoder === "text_encoder_2");
  // XL's refiner has the second text encoder alone, Stable Diffusion 1 and 2 the first.
  if (parts.length === 0 || (isForTwo && !parts.some(({ encoder }) => encoder.name === "text_encoder_2"))) {
    const [found, expected] = [file.tables.map(({ encoder }) => encoder), encoders.map(({ name }) => name)];
    throw new CheckpointError(
      `${file.name} has vectors for ${found.join(" and ")}, [${file.vectors}, ${file.tables.map(({ width }) => width).join(` and ${file.vectors}, `)}], as Stable Diffusion XL's embeddings; this pipeline has ${expected.join(" and ")}`,
      { hint: "use an embedding for this family, or a Stable Diffusion XL checkpoint" },
    );
  }
  const wrong = parts.find(({ encoder, table }) => encoder.model.config.hiddenSize !== table.width);
  if (wrong) throw otherWidth(file, wrong.table, [wrong.encoder]);
  return parts;
}

function otherWidth({ name }: TextualInversion, { width }: EmbeddingTable, encoders: readonly ClipTextEncoder[]): CheckpointError {
  const familyOf = (size: number) => (describeTextEncoder(size) === undefined ? "" : ` (${describeTextEncoder(size)})`);
  const expected = encoders.map((encoder) => {
    const size = encoder.model.config.hiddenSize;
    return `${encoder.name} takes ${size}${familyOf(size)}`;
  });
  return new CheckpointError(`${name}: its vectors have ${width} numbers${familyOf(width)}; this pipeline's ${expected.join(", ")}`, {
    hint: "an embedding works only with the family of checkpoints that it was made for",
  });
}

function add({ token, vectors, parts }: NewToken): void {
  const encoders = parts.map(({ encoder }) => encoder);
  const tokenizers = tokenizersOf(encoders);
  for (const tokenizer of tokenizers) tokenizer.expectNew(token, vectors);
  // The same ids in all of them, so that tokenizers and text encoders may be shared in any way.
  const firstId = Math.max(...encoders.map(({ tokenizer, model }) => Math.max(tokenizer.nextTokenId, model.nextTokenId)));
  const ids = Array.from({ length: vectors }, (_, i) => firstId + i);
  for (const tokenizer of tokenizers) tokenizer.addToken(token, vectors, firstId);
  for (const { encoder, bytes } of parts) encoder.model.addEmbeddings(ids, bytes);
}

function tokenizersOf(encoders: readonly ClipTextEncoder[]) {
  return new Set(encoders.map(({ tokenizer }) => tokenizer));
}

function isList(source: TextualInversionSource | readonly TextualInversionSource[]): source is readonly TextualInversionSource[] {
  return Array.isArray(source);
}
