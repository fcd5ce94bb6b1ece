import * as v from "valibot";
import { openPart, PART_FIELDS, type PartOptions } from "../checkpoint/open-part.js";
import { writeTo } from "../checkpoint/saving.js";
import { CheckpointError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, flag, names } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";
import { BATCH_FIELDS, type BatchTokenizeOptions, padRows, type TokenizedTexts } from "./batch.js";
import { BytePairEncoding, decodeTokens } from "./byte-pair-encoding.js";
import { type ChatMessage, ChatTemplate, type ChatTemplateOptions } from "./chat-template.js";
import { idsOfAdded, QWEN_FILES, readTokenizerFiles, type TokenizerFiles, tokensById } from "./files.js";
import { copyTokenizer } from "./saving.js";
import { separate, TokenFinder } from "./token-finder.js";
import type { TokenNumbers } from "./token-table.js";
import { digit, letter, newLetters, space } from "./unicode.js";

const CHAT_FIELDS: Fields<ChatTemplateOptions> = { addGenerationPrompt: flag, enableThinking: flag };

// In any letter case; the long s (U+017F) is an s in another case.
const contraction = "'(?:[sS\\u017f]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
/** Neither a letter nor a digit, nor one of `others`. */
const noWord = (others: string) => `(?:[^${others}\\p{L}\\p{N}]|[${newLetters}])`;
/** The pattern of {@link QWEN_FILES}. */
const piecePattern = new RegExp(
  [
    contraction,
    `${noWord("\\r\\n")}?(?:${letter})+`,
    digit,
    ` ?${noWord(space)}+[\\r\\n]*`,
    `[${space}]*[\\r\\n]+`,
    `[${space}]+(?![^${space}])`,
    `[${space}]+`,
  ].join("|"),
  "gu",
);

/** The most tokens that are cut to or padded to without saying so. */
const DEFAULT_LENGTH = 131072;

/**
 * Qwen's tokenizer: composed form (NFC), text split by a pattern, byte-pair encoding over bytes (Radford et al. 2019), and a chat template.
 * Gives the ids of transformers' Qwen2Tokenizer. Lone surrogates, which Python refuses, are read as U+FFFD.
 */
export class Qwen2Tokenizer {
  /** The class's name in transformers. */
  readonly className = "Qwen2Tokenizer";
  /** The most tokens of a text: 131072, or what the tokenizer's files say. */
  readonly modelMaxLength: number;
  /** Id of the token that ends a message. */
  readonly eosTokenId: number;
  /** Id of the token that pads texts. */
  readonly padTokenId: number;
  /** Number of tokens in the vocabulary, without added tokens. */
  readonly vocabSize: number;

  private readonly vocabulary: TokenNumbers;
  private readonly addedIds: Map<string, number>;
  private readonly encoding: BytePairEncoding;
  private readonly added: TokenFinder;
  private tokens: string[] | undefined;

  private constructor(
    { vocabulary, ranks, addedTokens, eosToken, padToken, modelMaxLength }: TokenizerFiles,
    private readonly template: ChatTemplate | undefined,
    private readonly folder: Folder,
  ) {
    const ids = idsOfAdded(addedTokens, vocabulary);
    this.vocabulary = vocabulary;
    this.addedIds = ids;
    this.vocabSize = vocabulary.size;
    this.eosTokenId = ids.get(eosToken as string) as number;
    this.padTokenId = ids.get(padToken as string) as number;
    this.modelMaxLength =
      modelMaxLength !== undefined && modelMaxLength >= 1 && modelMaxLength < 1e9 ? Math.floor(modelMaxLength) : DEFAULT_LENGTH;
    this.encoding = new BytePairEncoding(vocabulary, ranks, undefined);
    // Composed form does not change the contents of Qwen's added tokens, so that "normalized" makes no difference.
    this.added = new TokenFinder(addedTokens.map(({ content, singleWord }) => ({ content, singleWord, id: ids.get(content) as number })));
  }

  /**
   * The tokenizer of a checkpoint.
   *
   * @param path The folder or hub id of the checkpoint or of the tokenizer.
   * @param options.subfolder The tokenizer's folder in it, e.g. `tokenizer`.
   * @throws CheckpointError if its files are missing or broken, or belong to a tokenizer of another kind.
   */
  static async fromPretrained(path: string | Folder, options: PartOptions = {}): Promise<Qwen2Tokenizer> {
    const folder = await openPart(path, checkOptions(options, PART_FIELDS, { call: "Qwen2Tokenizer.fromPretrained" }), "tokenizer");
    const [files, template] = await Promise.all([readTokenizerFiles(folder, QWEN_FILES), ChatTemplate.read(folder)]);
    return new Qwen2Tokenizer(files, template, folder);
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

  /** The ids of a text, neither cut nor padded. Special tokens in the text, such as `<|im_start|>`, become their ids. */
  encode(text: string): number[] {
    const tokens = separate(text, this.added, (part) =>
      Array.from(part.normalize("NFC").matchAll(piecePattern)).flatMap(({ 0: piece }) =>
        this.encoding.encode(piece).ids.map((id) => ({ id, start: 0 })),
      ),
    );
    return tokens.map(({ id }) => id);
  }

  /**
   * Texts as one batch, padded at the end.
   * @throws ArgumentError for a wrong option.
   */
  tokenize(texts: string | readonly string[], options: BatchTokenizeOptions = {}): TokenizedTexts {
    if (typeof texts !== "string" && !v.is(names, texts)) throw wrongArgument("texts", texts, "a text or a list of texts");
    const {
      maxLength = this.modelMaxLength,
      padding = "longest",
      truncation = false,
    } = checkOptions(options, BATCH_FIELDS, { call: "tokenize" });
    const rows = (typeof texts === "string" ? [texts] : texts).map((text) => this.encode(text));
    const length = truncation ? maxLength : Number.POSITIVE_INFINITY;
    return {
      ...padRows(
        rows.map((row) => row.slice(0, length)),
        this.padTokenId,
        padding === "max_length" ? maxLength : 0,
      ),
      truncated: rows.map((row) => (row.length > length ? this.decode(row.slice(length)).trim() : undefined)),
    };
  }

  /** The text of ids. Special tokens are written as they are. Ids outside the vocabulary are left out. */
  decode(ids: readonly number[]): string {
    this.tokens ??= tokensById(this.vocabulary, this.addedIds);
    const { tokens } = this;
    return decodeTokens(ids.flatMap((id) => tokens[id] ?? []));
  }

  /** The id of a token, such as `<|image_pad|>`; undefined if there is no such token. */
  idOf(token: string): number | undefined {
    return this.addedIds.get(token) ?? this.vocabulary.get(token);
  }

  /**
   * A chat as one text, by the template in the tokenizer's files.
   * @throws CheckpointError if the files have no template, or it cannot be applied; ArgumentError for a wrong option.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    const checked = checkOptions(options, CHAT_FIELDS, { call: "applyChatTemplate" });
    if (this.template) return this.template.apply(messages, checked);
    throw new CheckpointError(`${this.folder.name} has no chat template`, {
      hint: "download tokenizer_config.json and chat_template.jinja of the original checkpoint",
    });
  }
}
