import * as v from "valibot";
import { isObject, type Json } from "../checkpoint/json.js";
import { openPart, PART_FIELDS, type PartOptions } from "../checkpoint/open-part.js";
import { writeTo } from "../checkpoint/saving.js";
import { CheckpointError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { names } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";
import { BATCH_FIELDS, type BatchTokenizeOptions, padRows, type TokenizedTexts } from "./batch.js";
import type { Charsmap } from "./charsmap.js";
import { copyTokenizer } from "./saving.js";
import { separate, TokenFinder } from "./token-finder.js";
import { space } from "./unicode.js";
import { type Piece, UnigramEncoding } from "./unigram.js";
import { readUnigramFiles, type UnigramFiles } from "./unigram-files.js";

/** Stands for the space before a word. */
const METASPACE = "\u2581";
const wordPattern = new RegExp(`[^${space}]+`, "gu");
/** A word in parts that begin with {@link METASPACE}. */
const partPattern = new RegExp(`${METASPACE}[^${METASPACE}]*`, "gu");
/** Sentinels that T5's training used, which spiece.model does not have. */
const SENTINELS = 100;
const MOST_SENTINELS = 1000;
const DEFAULT_LENGTH = 512;

/**
 * T5's tokenizer: SentencePiece's normaliser and unigram model (Kudo & Richardson 2018), and `</s>` at the end. Gives the ids of
 * transformers' T5Tokenizer. Lone surrogates, which Python refuses, are read as U+FFFD.
 */
export class T5Tokenizer {
  /** The class's name in transformers. */
  readonly className = "T5Tokenizer";
  /** The most tokens of a text with its end: 512, or what the tokenizer's files say. */
  readonly modelMaxLength: number;
  /** Id of the token that ends every text. */
  readonly eosTokenId: number;
  /** Id of the token that pads texts. */
  readonly padTokenId: number;
  /** Number of tokens in the vocabulary, sentinels included. */
  readonly vocabSize: number;

  private readonly pieces: readonly Piece[];
  private readonly encoding: UnigramEncoding;
  private readonly charsmap: Charsmap | undefined;
  private readonly added: TokenFinder;

  private constructor(
    { pieces, unknownId, charsmap, config, added }: UnigramFiles,
    private readonly folder: Folder,
  ) {
    this.pieces = withSentinels(pieces, config.extra_ids);
    this.encoding = new UnigramEncoding(this.pieces, unknownId);
    this.charsmap = charsmap;
    this.vocabSize = this.pieces.length;
    const roles = { eos_token: "</s>", pad_token: "<pad>", unk_token: "<unk>" };
    const role = (name: keyof typeof roles) => contentOf(config[name]) ?? roles[name];
    this.eosTokenId = this.expectId(role("eos_token"));
    this.padTokenId = this.expectId(role("pad_token"));
    const { model_max_length: length } = config;
    // Python writes 1e30 for no limit.
    this.modelMaxLength = typeof length === "number" && length >= 1 && length < 1e6 ? Math.floor(length) : DEFAULT_LENGTH;
    const listed = isObject(config.added_tokens_decoder) ? Object.values(config.added_tokens_decoder) : [];
    const extra = Array.isArray(config.additional_special_tokens) ? config.additional_special_tokens : [];
    const contents = new Set([
      ...[...listed, ...extra, ...added].flatMap((token) => contentOf(token) ?? []),
      ...this.pieces.slice(pieces.length).map(([text]) => text),
      role("eos_token"),
      role("pad_token"),
      role("unk_token"),
    ]);
    // Whether a token takes the spaces beside it makes no difference: spaces between words are dropped anyway.
    const findable = [...contents].flatMap((content) => {
      const id = this.encoding.idOf(content);
      return id === undefined ? [] : [{ content, id, singleWord: false }];
    });
    this.added = new TokenFinder(findable);
  }

  /**
   * The tokenizer of a checkpoint.
   *
   * @param path The folder or hub id of the checkpoint or of the tokenizer.
   * @param options.subfolder The tokenizer's folder in it, e.g. `tokenizer_2`.
   * @throws CheckpointError if its files are missing or broken, or belong to a tokenizer of another kind.
   */
  static async fromPretrained(path: string | Folder, options: PartOptions = {}): Promise<T5Tokenizer> {
    const folder = await openPart(path, checkOptions(options, PART_FIELDS, { call: "T5Tokenizer.fromPretrained" }), "tokenizer");
    return new T5Tokenizer(await readUnigramFiles(folder), folder);
  }

  /**
   * Saves the tokenizer's files into `folder`, unchanged. `fromPretrained` and transformers open it.
   * @throws CheckpointError if the files cannot be read any more; OutputError if the folder cannot be written.
   */
  async savePretrained(folder: string): Promise<void> {
    await writeTo(folder, (output) => this.saveTo(output));
  }

  /** Writes the files of {@link savePretrained}. @internal */
  async saveTo(output: OutputFolder): Promise<void> {
    await copyTokenizer(this.folder, output);
  }

  /** The ids of a text with its end, neither cut nor padded. */
  encode(text: string): number[] {
    return [...this.encodeText(text), this.eosTokenId];
  }

  /**
   * Texts as one batch, padded at the end. A text that is cut keeps its end token.
   * @throws ArgumentError for a wrong option.
   */
  tokenize(texts: string | readonly string[], options: BatchTokenizeOptions = {}): TokenizedTexts {
    if (typeof texts !== "string" && !v.is(names, texts)) throw wrongArgument("texts", texts, "a text or a list of texts");
    const {
      maxLength = this.modelMaxLength,
      padding = "longest",
      truncation = false,
    } = checkOptions(options, BATCH_FIELDS, { call: "tokenize" });
    const rows = (typeof texts === "string" ? [texts] : texts).map((text) => this.encodeText(text));
    const length = truncation ? maxLength - 1 : Number.POSITIVE_INFINITY;
    return {
      ...padRows(
        rows.map((row) => [...row.slice(0, length), this.eosTokenId]),
        this.padTokenId,
        padding === "max_length" ? maxLength : 0,
      ),
      truncated: rows.map((row) => (row.length > length ? this.decode(row.slice(length)) : undefined)),
    };
  }

  /** The text of ids, normalised. Special tokens are written as they are. Ids outside the vocabulary are left out. */
  decode(ids: readonly number[]): string {
    const text = ids.map((id) => this.pieces[id]?.[0] ?? "").join("");
    return text.replaceAll(METASPACE, " ").trim();
  }

  private encodeText(text: string): number[] {
    const valid = text.replace(/\p{Surrogate}/gu, "\ufffd");
    const tokens = separate(valid, this.added, (part) => {
      const words = (this.charsmap?.normalize(part) ?? part).match(wordPattern) ?? [];
      return words.flatMap((word) => this.encodeWord(word)).map((id) => ({ id, start: 0 }));
    });
    return tokens.map(({ id }) => id);
  }

  private encodeWord(word: string): number[] {
    const marked = word.startsWith(METASPACE) ? word : `${METASPACE}${word}`;
    return (marked.match(partPattern) ?? []).flatMap((part) => this.encoding.encode(part));
  }

  private expectId(token: string): number {
    const id = this.encoding.idOf(token);
    if (id !== undefined) return id;
    throw new CheckpointError(`${this.folder.name}: the vocabulary has no token ${JSON.stringify(token)}`, {
      hint: "compare tokenizer_config.json and spiece.model with those of the original checkpoint",
    });
  }
}

/** The pieces of spiece.model followed by sentinels, the highest first. A vocabulary that has sentinels is complete. */
function withSentinels(pieces: readonly Piece[], count: Json | undefined): readonly Piece[] {
  if (pieces.some(([text]) => text === "<extra_id_0>")) return pieces;
  const sentinels = typeof count === "number" && count >= 0 && count <= MOST_SENTINELS ? Math.floor(count) : SENTINELS;
  return [...pieces, ...Array.from({ length: sentinels }, (_, i): Piece => [`<extra_id_${sentinels - 1 - i}>`, 0])];
}

/** The content of a token, a text or an object. */
function contentOf(token: Json | undefined): string | undefined {
  const content = isObject(token) ? token.content : token;
  return typeof content === "string" && content !== "" ? content : undefined;
}
