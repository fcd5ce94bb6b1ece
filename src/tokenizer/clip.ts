import * as v from "valibot";
import { openPart, PART_FIELDS, type PartOptions } from "../checkpoint/open-part.js";
import { writeTo } from "../checkpoint/saving.js";
import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, flag, names, oneOf, whole } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";
import type { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { padRows } from "./batch.js";
import { BytePairEncoding, decodeTokens } from "./byte-pair-encoding.js";
import { type AddedToken, CLIP_FILES, idsOfAdded, readTokenizerFiles, type TokenizerFiles, tokensById } from "./files.js";
import { namesOf, Placeholders } from "./placeholders.js";
import { copyTokenizer } from "./saving.js";
import { type FindableToken, type PlacedToken, separate, TokenFinder } from "./token-finder.js";
import type { TokenNumbers } from "./token-table.js";
import { digit, letter, newLetters, space } from "./unicode.js";

/** Options of {@link CLIPTokenizer.tokenize}. */
export interface TokenizeOptions {
  /** The most tokens of a prompt, including start and end; by default the tokenizer's `modelMaxLength`. */
  readonly maxLength?: number | undefined;
  /** Pad every prompt to `maxLength` (default), or only to the longest prompt of the batch. */
  readonly padding?: "max_length" | "longest" | undefined;
  /** Whether longer prompts are cut; true by default. If not, the batch is as long as its longest prompt. */
  readonly truncation?: boolean | undefined;
}

const TOKENIZE_FIELDS: Fields<TokenizeOptions> = { maxLength: whole(2), padding: oneOf("max_length", "longest"), truncation: flag };

/** Prompts as the input of a text encoder. */
export interface TokenizedPrompts {
  /** `[batch, tokens]` */
  readonly inputIds: Tensor<"int64">;
  /** The part that was cut off the end of each prompt, as it was written; undefined if nothing was cut off. */
  readonly truncated: readonly (string | undefined)[];
}

/** The text between two added tokens, in lower case and composed form, and the original places of its words. */
interface NormalizedText {
  readonly text: string;
  /**
   * For every word, or for every character of a word that changed its length: its place in `text`, its place in the original, and whether
   * both have the same length.
   */
  readonly words: readonly { readonly at: number; readonly origin: number; readonly aligned: boolean }[];
}

/** Marks the end of a word in the vocabulary. */
const endOfWord = "</w>";
const wordPattern = new RegExp(`[^${space}]+`, "gu");
// A character with everything that can compose with it: marks, and the vowels and finals of Korean.
const characterPattern = /\P{M}[\p{M}\u1160-\u11ff]*|\p{M}+/gu;
const special = "<\\|startoftext\\|>|<\\|endoftext\\|>";
const piecePattern = new RegExp(
  `${special}|'s|'t|'re|'ve|'m|'ll|'d|(?:${letter})+|${digit}|(?:[^${space}\\p{L}\\p{N}]|[${newLetters}])+`,
  "gu",
);
const specialPattern = new RegExp(special, "u");
// A special token in capitals is one piece for the pattern above, but not for the byte-level step after it.
const innerPattern = /\p{L}+|[^\p{L}]+/gu;

/**
 * CLIP's tokenizer: lower case, words split by CLIP's pattern, byte-pair encoding (Radford et al. 2021).
 * Gives the ids of transformers' CLIPTokenizer.
 */
export class CLIPTokenizer {
  /** The class's name in transformers. */
  readonly className = "CLIPTokenizer";
  /** The most tokens that the text encoder takes, including start and end: 77 for every CLIP. */
  readonly modelMaxLength: number;
  /** Id of the token that starts every prompt. */
  readonly bosTokenId: number;
  /** Id of the token that ends every prompt. */
  readonly eosTokenId: number;
  /** Id of the token that pads prompts: the end token in Stable Diffusion 1, `!` in Stable Diffusion 2. */
  readonly padTokenId: number;
  /** Number of tokens in the vocabulary, without added tokens. */
  readonly vocabSize: number;

  private readonly vocabulary: TokenNumbers;
  private readonly addedIds: Map<string, number>;
  private tokens: string[] | undefined;
  private readonly encoding: BytePairEncoding;
  private readonly added: TokenFinder;
  private readonly normalizedTokens: readonly AddedToken[];
  private addedNormalized: TokenFinder;
  private readonly placeholders = new Placeholders();

  private constructor(
    files: TokenizerFiles,
    private readonly folder: Folder,
  ) {
    const { vocabulary, ranks, addedTokens, modelMaxLength = 77 } = files;
    const ids = idsOfAdded(addedTokens, vocabulary);
    this.addedIds = ids;
    this.vocabulary = vocabulary;
    this.vocabSize = vocabulary.size;
    this.bosTokenId = ids.get(files.bosToken as string) as number;
    this.eosTokenId = ids.get(files.eosToken as string) as number;
    this.padTokenId = ids.get(files.padToken as string) as number;
    this.encoding = new BytePairEncoding(vocabulary, ranks, ids.get(files.unkToken as string), endOfWord);
    // Python writes 1e30 for no limit. Every CLIP text encoder has 77 positions.
    this.modelMaxLength = modelMaxLength >= 2 && modelMaxLength < 1e6 ? Math.floor(modelMaxLength) : 77;
    this.added = new TokenFinder(addedTokens.flatMap((token) => (token.normalized ? [] : this.findable(token))));
    this.normalizedTokens = addedTokens.filter(({ normalized }) => normalized);
    this.addedNormalized = this.normalizedFinder();
  }

  /**
   * The tokenizer of a checkpoint.
   *
   * @param path The folder or hub id of the checkpoint or of the tokenizer.
   * @param options.subfolder The tokenizer's folder in it, e.g. `tokenizer`.
   * @throws CheckpointError if its files are missing or broken.
   */
  static async fromPretrained(path: string | Folder, options: PartOptions = {}): Promise<CLIPTokenizer> {
    const folder = await openPart(path, checkOptions(options, PART_FIELDS, { call: "CLIPTokenizer.fromPretrained" }), "tokenizer");
    return new CLIPTokenizer(await readTokenizerFiles(folder, CLIP_FILES), folder);
  }

  /**
   * Saves the tokenizer's files into `folder`, unchanged. `fromPretrained` and transformers open it. Embeddings' tokens are not saved; a
   * warning names them.
   * @throws CheckpointError if the files cannot be read any more; OutputError if the folder cannot be written.
   */
  async savePretrained(folder: string): Promise<void> {
    await writeTo(folder, (output) => this.saveTo(output));
  }

  /** Writes the files of {@link savePretrained}. @internal */
  async saveTo(output: OutputFolder): Promise<void> {
    const { addedTokens, folder } = this;
    if (addedTokens.length > 0) {
      warn(`${output.name}: the embeddings ${addedTokens.join(", ")} are not saved; load them again with loadTextualInversion`);
    }
    await copyTokenizer(folder, output);
  }

  /** All ids of a text, including the start and end tokens, neither cut nor padded. */
  encode(text: string): number[] {
    return [this.bosTokenId, ...this.encodePieces(text).flat(), this.eosTokenId];
  }

  /**
   * The ids of a text without start and end, in pieces. A placeholder of several vectors is one piece, every other token is its own piece.
   */
  encodePieces(text: string): (readonly number[])[] {
    return this.split(text).map(({ id, start }) => this.placeholders.idsOf(id, text, start));
  }

  /** The first free id. */
  get nextTokenId(): number {
    return Math.max(this.vocabSize, ...[...this.addedIds.values()].map((id) => id + 1));
  }

  /** The placeholders that {@link addToken} added. */
  get addedTokens(): readonly string[] {
    return this.placeholders.entries().map(({ text }) => text);
  }

  /**
   * Adds a placeholder that becomes `vectors` ids, numbered from `firstId` on. Like an added token of transformers, it is found inside
   * words, too, and in any letter case. It becomes all of its ids only if it is written exactly like `text`, else only the first (with a
   * warning). As in diffusers, the ids have the names `text`, `text_1`, `text_2`, ..., which prompts can use as well.
   *
   * The token is added for everyone who shares the tokenizer. The text encoders must get the ids' vectors (`addEmbeddings`).
   * @throws ArgumentError if the vocabulary has one of the names, or a token that differs only in letter case.
   */
  addToken(text: string, vectors = 1, firstId = this.nextTokenId): readonly number[] {
    this.expectNew(text, vectors);
    const ids = namesOf(text, vectors).map((name, i) => {
      this.addedIds.set(name, firstId + i);
      return firstId + i;
    });
    this.placeholders.add(text, ids as [number, ...number[]]);
    this.refresh();
    return ids;
  }

  /** Removes a placeholder. Other tokens keep their ids. @throws ArgumentError if the token was not added. */
  removeToken(text: string): readonly number[] {
    const { ids } = this.placeholders.remove(text);
    for (const name of namesOf(text, ids.length)) this.addedIds.delete(name);
    this.refresh();
    return ids;
  }

  /** @throws ArgumentError unless {@link addToken} could add the token. */
  expectNew(text: string, vectors = 1): void {
    if (text.trim() !== text || text === "") {
      throw new ArgumentError(`the token is ${JSON.stringify(text)}; expected a text without spaces at its ends`);
    }
    if (!Number.isInteger(vectors) || vectors < 1) throw new ArgumentError(`token ${text} has ${vectors} vectors; expected at least 1`);
    // One more name than vectors: diffusers would read that name as a further vector of this placeholder.
    const names = [...namesOf(text, Math.max(vectors, 2))];
    const taken = names.find((name) => this.vocabulary.get(name) !== undefined || this.addedIds.has(name));
    if (taken !== undefined) {
      throw new ArgumentError(`token ${taken} is already in the tokenizer's vocabulary`, {
        hint: this.addedIds.has(taken) ? `unload it first, or choose another token` : "choose another token, such as one in angle brackets",
      });
    }
    const alike = names.find((name) => this.addedNormalized.has(normalize(name).text));
    if (alike !== undefined) {
      throw new ArgumentError(`token ${alike} differs from an existing token only in letter case, which does not count`, {
        hint: "choose another token",
      });
    }
  }

  /**
   * Prompts as one tensor: `start ... end`, cut to `maxLength` but with the end token, and padded with the pad token.
   *
   * @throws ArgumentError if `maxLength` leaves no room for the start and end tokens.
   */
  tokenize(texts: string | readonly string[], options: TokenizeOptions = {}): TokenizedPrompts {
    if (typeof texts !== "string" && !v.is(names, texts)) throw wrongArgument("texts", texts, "a text or a list of texts");
    const {
      maxLength = this.modelMaxLength,
      padding = "max_length",
      truncation = true,
    } = checkOptions(options, TOKENIZE_FIELDS, { call: "tokenize" });
    const prompts = typeof texts === "string" ? [texts] : texts;
    const truncated: (string | undefined)[] = [];
    const rows = prompts.map((text, i) => {
      const tokens = this.split(text).flatMap(({ id, start }) =>
        this.placeholders.idsOf(id, text, start).map((each) => ({ id: each, start })),
      );
      const cut = truncation ? tokens[maxLength - 2] : undefined;
      truncated[i] = cut && text.slice(cut.start).trim();
      return [this.bosTokenId, ...tokens.slice(0, cut ? maxLength - 2 : undefined).map(({ id }) => id), this.eosTokenId];
    });
    const { inputIds } = padRows(rows, this.padTokenId, padding === "max_length" ? maxLength : 0);
    return { inputIds, truncated };
  }

  /** The text of ids, in lower case and with a space after each word. Ids outside the vocabulary are left out. */
  decode(ids: readonly number[]): string {
    this.tokens ??= tokensById(this.vocabulary, this.addedIds);
    const { tokens } = this;
    return decodeTokens(ids.flatMap((id) => tokens[id] ?? []))
      .replaceAll(endOfWord, " ")
      .trim();
  }

  /** Prepares the search after added tokens have changed. */
  private refresh(): void {
    this.addedNormalized = this.normalizedFinder();
    this.tokens = undefined;
  }

  private normalizedFinder(): TokenFinder {
    const names = this.placeholders.entries().flatMap(({ text, ids }) => namesOf(text, ids.length));
    const added = names.map((content) => ({ content, normalized: true, singleWord: false }));
    return new TokenFinder(
      [...this.normalizedTokens, ...added].map((token) => ({ ...this.findable(token), content: normalize(token.content).text })),
    );
  }

  private findable({ content, singleWord }: AddedToken): FindableToken {
    return { content, singleWord, id: this.addedIds.get(content) as number };
  }

  private split(text: string): PlacedToken[] {
    return separate(text, this.added, (part, offset) => {
      const normalized = normalize(part);
      const tokens = separate(normalized.text, this.addedNormalized, (section, sectionStart) =>
        Array.from(section.matchAll(piecePattern)).flatMap((match) => {
          const pieces = specialPattern.test(match[0]) ? (match[0].match(innerPattern) ?? []) : [match[0]];
          let at = sectionStart + match.index;
          return pieces.flatMap((piece) => {
            const start = at;
            at += piece.length;
            return this.encodePiece(piece, start);
          });
        }),
      );
      return toOriginal(tokens, normalized, offset);
    });
  }

  private encodePiece(piece: string, start: number): PlacedToken[] {
    const { ids, starts } = this.encoding.encode(piece);
    const places = charactersAt(piece, starts);
    return ids.map((id, i) => ({ id, start: start + (places[i] as number) }));
  }
}

/** NFC, white space as one space, lower case character by character (a final sigma becomes a normal sigma). */
function normalize(text: string): NormalizedText {
  const words: { at: number; origin: number; aligned: boolean }[] = [];
  let normalized = "";
  for (const match of text.matchAll(wordPattern)) {
    if (match.index > 0) normalized += " ";
    let origin = match.index;
    for (const part of alignable(match[0])) {
      const folded = fold(part);
      words.push({ at: normalized.length, origin, aligned: folded.length === part.length });
      normalized += folded;
      origin += part.length;
    }
  }
  return { text: normalized, words };
}

function fold(text: string): string {
  return text.normalize("NFC").replaceAll("Σ", "σ").toLowerCase();
}

/**
 * A word in the largest parts that keep their place when it is folded: the whole word, or its characters if its length changes and they do
 * not compose.
 */
function alignable(word: string): readonly string[] {
  const folded = fold(word);
  if (folded.length === word.length) return [word];
  const characters = word.match(characterPattern) ?? [];
  return characters.map(fold).join("") === folded ? characters : [word];
}

/** The tokens, in order, with their places in the original text: the start of their word or character if its length changed. */
function toOriginal(tokens: readonly PlacedToken[], { words }: NormalizedText, offset: number): PlacedToken[] {
  let current = 0;
  return tokens.map(({ id, start }) => {
    while ((words[current + 1]?.at ?? Number.POSITIVE_INFINITY) <= start) current++;
    const word = words[current];
    return { id, start: offset + (word ? word.origin + (word.aligned ? start - word.at : 0) : 0) };
  });
}

/** The index of the character that contains each of `bytes`, ascending positions in the text's UTF-8. */
function charactersAt(text: string, bytes: readonly number[]): readonly number[] {
  let [index, end, width] = [0, 0, 0];
  return bytes.map((byte) => {
    while (end <= byte && index + width < text.length) {
      index += width;
      const code = text.codePointAt(index) as number;
      width = code < 0x10000 ? 1 : 2;
      end += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    }
    return index;
  });
}
