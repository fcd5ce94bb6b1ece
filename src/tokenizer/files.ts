import { readJson } from "../checkpoint/config.js";
import { recogniseText } from "../checkpoint/foreign-file.js";
import { describe, isObject, type Json, type JsonObject, quote } from "../checkpoint/json.js";
import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { scanMerges, scanVocabulary, type TokenNumbers, tableOf } from "./token-table.js";

/** A token that is searched for in the text before the text is split into words. */
export interface AddedToken {
  readonly content: string;
  /** Whether it is searched for in the normalised (lower-case) text instead of the original. */
  readonly normalized: boolean;
  /** Whether it counts only if no letter or digit is next to it. */
  readonly singleWord: boolean;
}

/** The contents of a tokenizer folder, before any rule is applied. */
export interface TokenizerFiles {
  /** The ids of the tokens that words are made of. */
  readonly vocabulary: TokenNumbers;
  /** `left right` to rank. */
  readonly ranks: TokenNumbers;
  /** Tokens with a role; undefined if neither the files nor the kind's defaults name one. */
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  readonly padToken: string | undefined;
  readonly unkToken: string | undefined;
  /** Every added token, including the special ones above, in the order in which new tokens get their ids. */
  readonly addedTokens: readonly AddedToken[];
  /** The most tokens that the text encoder takes; undefined if the files do not say. */
  readonly modelMaxLength: number | undefined;
}

/** What differs between kinds of tokenizers in how their files are read. */
export interface TokenizerKind {
  /** The tokens of roles that the files do not name, as in transformers. */
  readonly defaults: JsonObject;
  /** The models that have such a tokenizer, for errors. */
  readonly owner: string;
  /** The pattern by which a text is split, as tokenizer.json has it. If it is given, a file with another pattern is refused. */
  readonly pattern?: string;
}

/** The most bytes of merges.txt. A larger file is not read. */
const largestMerges = 10_000_000;
/** The most letters of an added token, and of all added tokens. A checkpoint has a few short ones. */
const longestToken = 1000;
const mostAddedLetters = 200_000;
/** A larger vocab.json is left to the parser of JSON, which refuses it. */
const largestVocabulary = 10_000_000;
/** The most bytes of tokenizer.json. Qwen's has 11 million. */
const largestTokenizer = 40_000_000;
const start = "<|startoftext|>";
const end = "<|endoftext|>";
/** CLIP's tokenizers. */
export const CLIP_FILES: TokenizerKind = {
  defaults: { bos_token: start, eos_token: end, unk_token: end, pad_token: end },
  owner: "CLIP",
};
/** Qwen's tokenizers. */
export const QWEN_FILES: TokenizerKind = {
  defaults: { eos_token: end, unk_token: end, pad_token: end },
  owner: "Qwen",
  pattern:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};
// The order in which transformers adds special tokens that are not in the vocabulary.
const roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/**
 * Reads `vocab.json` and `merges.txt` (or `tokenizer.json`, if only that exists), `tokenizer_config.json`,
 * `special_tokens_map.json` and `added_tokens.json`.
 *
 * @throws CheckpointError if a file is missing or invalid.
 */
export async function readTokenizerFiles(folder: Folder, kind: TokenizerKind): Promise<TokenizerFiles> {
  const { defaults } = kind;
  const optional = async (path: string): Promise<JsonObject> => ((await folder.has(path)) ? readJson(folder, path) : {});
  const [config, map, added, { vocabulary, ranks, embedded }] = await Promise.all([
    optional("tokenizer_config.json"),
    optional("special_tokens_map.json"),
    optional("added_tokens.json"),
    readModel(folder, kind),
  ]);
  const decoder = config.added_tokens_decoder;
  // A config that lists its added tokens is complete. Older checkpoints have them in other files.
  const settings: JsonObject = { ...defaults, ...config, ...(decoder === undefined ? map : {}) };
  const listed = isObject(decoder)
    ? Object.entries(decoder)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, token]) => token)
    : embedded;
  const named = roles.flatMap((role) => settings[role] ?? defaults[role] ?? []);
  const special = new Set(named.map((token) => contentOf(token, folder)));
  const bare = decoder === undefined ? Object.entries(added).sort(([, a], [, b]) => Number(a) - Number(b)) : [];
  const extra = settings.extra_special_tokens ?? settings.additional_special_tokens;
  const complete = [...listed, ...bare.map(([content]) => ({ content, normalized: !special.has(content) }))];
  const others = [...named, ...(Array.isArray(extra) ? extra : [])];
  const addedTokens = new Map<string, AddedToken>();
  for (const token of complete) addedTokens.set(contentOf(token, folder), toAddedToken(token, folder));
  // Tokens that only have a role. If a token has several roles, the last one decides how it is matched: in Stable Diffusion 1, the end
  // token is matched like the pad token.
  const listedContents = new Set(addedTokens.keys());
  for (const token of others.map((each) => toAddedToken(each, folder))) {
    if (!listedContents.has(token.content)) addedTokens.set(token.content, token);
  }
  const letters = [...addedTokens.keys()].reduce((sum, content) => sum + content.length, 0);
  if (letters > mostAddedLetters) {
    throw new CheckpointError(
      `${folder.name}: its ${addedTokens.size} added tokens have ${letters} letters; at most ${mostAddedLetters} are read`,
      {
        hint: "compare added_tokens.json and tokenizer_config.json with those of the original checkpoint",
      },
    );
  }
  const role = (name: string) => {
    const token = settings[name] ?? defaults[name] ?? undefined;
    return token === undefined ? undefined : contentOf(token, folder);
  };
  return {
    vocabulary,
    ranks,
    bosToken: role("bos_token"),
    eosToken: role("eos_token"),
    padToken: role("pad_token"),
    unkToken: role("unk_token"),
    addedTokens: [...addedTokens.values()],
    modelMaxLength: typeof settings.model_max_length === "number" ? settings.model_max_length : undefined,
  };
}

interface Model {
  readonly vocabulary: TokenNumbers;
  readonly ranks: TokenNumbers;
  /** The added tokens in the same file. */
  readonly embedded: readonly Json[];
}

async function readModel(folder: Folder, kind: TokenizerKind): Promise<Model> {
  const names = await folder.list();
  if (names.length === 0) await folder.check();
  const has = (name: string) => names.includes(name);
  if (has("tokenizer.json") && !(has("vocab.json") && has("merges.txt"))) return readTokenizerJson(folder, kind);
  for (const name of ["vocab.json", "merges.txt"]) {
    if (!has(name)) {
      throw new CheckpointError(`${folder.name} has neither ${name} nor tokenizer.json`, {
        hint: "download the checkpoint's tokenizer folder again: it has vocab.json and merges.txt",
      });
    }
  }
  const size = await folder.size("merges.txt");
  if (size > largestMerges) {
    throw new CheckpointError(
      `${folder.name}/merges.txt has ${size} bytes; at most ${largestMerges} are read (Qwen's has less than two million)`,
    );
  }
  const [vocabulary, merges] = await Promise.all([readVocabulary(folder), folder.read("merges.txt")]);
  const file = `${folder.name}/merges.txt`;
  const first = firstPair(merges);
  // The first line shows a file of another kind or of another tokenizer.
  if (first !== "" && vocabulary.get(first.replace(" ", "")) === undefined) {
    const { what, hint, isCertain } = recogniseText(merges) ?? {};
    if (what !== undefined && hint !== undefined && isCertain) throw new CheckpointError(`${file} is not a merges file: ${what}`, { hint });
    if (isPair(first)) {
      throw new CheckpointError(`${file}: merge 1 is ${quote(first)}, but vocab.json has no token ${quote(first.replace(" ", ""))}`, {
        hint: "the two files belong to different tokenizers; download the checkpoint's tokenizer folder again",
      });
    }
  }
  return { vocabulary, ranks: scanMerges(merges) ?? toRanks(pairsOf(new TextDecoder().decode(merges)), file), embedded: [] };
}

/** vocab.json, scanned as bytes; if it is anything but tokens and ids, it is parsed for the error. */
async function readVocabulary(folder: Folder): Promise<TokenNumbers> {
  const size = await folder.size("vocab.json");
  const scanned = size <= largestVocabulary ? scanVocabulary(await folder.read("vocab.json")) : undefined;
  return scanned && scanned.size > 0 ? scanned : toVocabulary(await readJson(folder, "vocab.json"), `${folder.name}/vocab.json`);
}

/** The lines of merges.txt that are merges. */
function pairsOf(merges: string): readonly string[] {
  return merges.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
}

/** The first merge of merges.txt; "" if there is none. */
function firstPair(merges: Uint8Array): string {
  // The version and a merge are far shorter.
  const [first = ""] = pairsOf(new TextDecoder().decode(merges.subarray(0, 10_000)));
  return first;
}

async function readTokenizerJson(folder: Folder, { owner, pattern }: TokenizerKind): Promise<Model> {
  const file = `${folder.name}/tokenizer.json`;
  const hint = `take the tokenizer folder of a ${owner} text encoder`;
  const json = await readJson(folder, "tokenizer.json", { limit: largestTokenizer });
  const { model, added_tokens: embedded } = json;
  if (!isObject(model) || model.type !== "BPE" || !isObject(model.vocab) || !Array.isArray(model.merges)) {
    throw new CheckpointError(`${file} is not a ${owner} tokenizer; expected a BPE model with vocab and merges`, { hint });
  }
  const found = pattern === undefined ? undefined : splitPattern(json.pre_tokenizer);
  if (found !== pattern)
    throw new CheckpointError(`${file} splits texts by the pattern ${quote(found ?? "")}; expected ${quote(pattern ?? "")}`, { hint });
  const merges = model.merges.map((merge: Json) => (Array.isArray(merge) ? merge.join(" ") : String(merge)));
  return { vocabulary: toVocabulary(model.vocab, file), ranks: toRanks(merges, file), embedded: Array.isArray(embedded) ? embedded : [] };
}

/** The regular expression of the first step that has one, of tokenizer.json's `pre_tokenizer`. */
function splitPattern(step: Json | undefined): string | undefined {
  if (!isObject(step)) return undefined;
  const { pretokenizers: steps, pattern } = step;
  if (isObject(pattern) && typeof pattern.Regex === "string") return pattern.Regex;
  for (const each of Array.isArray(steps) ? steps : []) {
    const found = isObject(each) && isObject(each.pattern) ? each.pattern.Regex : undefined;
    if (typeof found === "string") return found;
  }
  return undefined;
}

function toVocabulary(json: JsonObject, file: string): TokenNumbers {
  // Object.values or Object.entries would double the time that a tokenizer takes to load.
  let size = 0;
  for (const token in json) {
    const id = json[token];
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
      throw new CheckpointError(`${file}: the token ${quote(token)} has ${describe(id)}; expected an id (0, 1, 2, ...)`);
    }
    size++;
  }
  if (size === 0) throw new CheckpointError(`${file} holds no tokens`, { hint: "download the file again" });
  return tableOf(json as Readonly<Record<string, number>>, size);
}

function toRanks(merges: readonly string[], file: string): Map<string, number> {
  const ranks = new Map<string, number>();
  merges.forEach((merge, rank) => {
    if (!isPair(merge)) {
      throw new CheckpointError(`${file}: merge ${rank + 1} is ${quote(merge)}; expected two tokens with a space between them`, {
        hint: "download the file again",
      });
    }
    ranks.set(merge, rank);
  });
  return ranks;
}

/** The ids of added tokens: their own in the vocabulary, else the next free ones. */
export function idsOfAdded(tokens: readonly AddedToken[], vocabulary: TokenNumbers): Map<string, number> {
  let next = vocabulary.size;
  return new Map(tokens.map(({ content }) => [content, vocabulary.get(content) ?? next++]));
}

/** Every token of the vocabulary and every added token, by its id. */
export function tokensById(vocabulary: TokenNumbers, added: ReadonlyMap<string, number>): string[] {
  const tokens: string[] = [];
  for (const [token, id] of [...vocabulary.entries(), ...added]) tokens[id] = token;
  return tokens;
}

/** Whether a line is two tokens with a space between. */
function isPair(merge: string): boolean {
  const space = merge.indexOf(" ");
  return space > 0 && space < merge.length - 1 && !merge.includes(" ", space + 1);
}

function toAddedToken(token: Json | undefined, folder: Folder): AddedToken {
  const flags = isObject(token) ? token : {};
  return { content: contentOf(token, folder), normalized: flags.normalized === true, singleWord: flags.single_word === true };
}

function contentOf(token: Json | undefined, folder: Folder): string {
  const content = isObject(token) ? token.content : token;
  if (typeof content === "string" && content !== "" && content.length <= longestToken) return content;
  throw new CheckpointError(
    `${folder.name}: a special token is ${describe(token)}; expected a text of up to ${longestToken} letters, or an object with such a content`,
    {
      hint: "compare tokenizer_config.json and special_tokens_map.json with those of the original checkpoint",
    },
  );
}
