import { readJson } from "../checkpoint/config.js";
import { isObject, type Json, type JsonObject, quote } from "../checkpoint/json.js";
import { CheckpointError } from "../errors.js";
import { messageOf } from "../message-of.js";
import type { Folder } from "../platform/folder.js";
import { Charsmap } from "./charsmap.js";
import { protobufFields } from "./protobuf.js";
import type { Piece } from "./unigram.js";

/** The contents of a folder with a SentencePiece unigram model. */
export interface UnigramFiles {
  readonly pieces: readonly Piece[];
  readonly unknownId: number;
  /** How texts are normalised; undefined: not at all. */
  readonly charsmap: Charsmap | undefined;
  /** `tokenizer_config.json`; empty if there is none. */
  readonly config: JsonObject;
  /** The contents of added tokens in tokenizer.json. */
  readonly added: readonly string[];
}

/** The most bytes of spiece.model. T5's has 800,000, those of 250,000 pieces have 5 million. */
const LARGEST_MODEL = 40_000_000;
/** The most bytes of tokenizer.json. */
const LARGEST_JSON = 40_000_000;
/** The most letters of a piece. T5's longest has 16. */
const LONGEST_PIECE = 256;
const HINT = "take the tokenizer folder of a T5 text encoder";

/**
 * Reads `spiece.model` (or `tokenizer.json`, if only that exists) and `tokenizer_config.json`.
 * @throws CheckpointError if a file is missing, broken, or of a tokenizer of another kind.
 */
export async function readUnigramFiles(folder: Folder): Promise<UnigramFiles> {
  const names = await folder.list();
  if (names.length === 0) await folder.check();
  const config = names.includes("tokenizer_config.json") ? await readJson(folder, "tokenizer_config.json") : {};
  if (names.includes("spiece.model")) return { ...(await readModel(folder)), config, added: [] };
  if (names.includes("tokenizer.json")) return { ...(await readTokenizerJson(folder)), config };
  throw new CheckpointError(`${folder.name} has neither spiece.model nor tokenizer.json`, {
    hint: "download the checkpoint's tokenizer folder again",
  });
}

/** A SentencePiece ModelProto. */
async function readModel(folder: Folder): Promise<Pick<UnigramFiles, "pieces" | "unknownId" | "charsmap">> {
  const file = `${folder.name}/spiece.model`;
  const size = await folder.size("spiece.model");
  if (size > LARGEST_MODEL) throw new CheckpointError(`${file} has ${size} bytes; at most ${LARGEST_MODEL} are read`);
  const bytes = await folder.read("spiece.model");
  const pieces: Piece[] = [];
  let [kind, unknownId, charsmap]: [number, number, Uint8Array | undefined] = [1, 0, undefined];
  try {
    for (const { number, value } of protobufFields(bytes)) {
      if (!(value instanceof Uint8Array)) continue;
      if (number === 1) pieces.push(readPiece(value));
      if (number === 2) ({ kind, unknownId } = readTrainer(value));
      if (number === 3) charsmap = readNormalizer(value);
    }
  } catch (cause) {
    throw new CheckpointError(`${file} is not a SentencePiece model: ${messageOf(cause)}`, { hint: "download the file again", cause });
  }
  if (kind !== 1) throw new CheckpointError(`${file} is not a unigram model; its model_type is ${kind}`, { hint: HINT });
  expectPieces(pieces, unknownId, file);
  return { pieces, unknownId, charsmap: charsmap && charsmap.length > 0 ? Charsmap.read(charsmap, file) : undefined };
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function readPiece(bytes: Uint8Array): Piece {
  let [text, score] = ["", 0];
  for (const { number, value } of protobufFields(bytes)) {
    if (number === 1 && value instanceof Uint8Array) text = utf8.decode(value);
    if (number === 2 && typeof value === "number") score = value;
  }
  return [text, score];
}

function readTrainer(bytes: Uint8Array): { readonly kind: number; readonly unknownId: number } {
  let [kind, unknownId] = [1, 0];
  for (const { number, value } of protobufFields(bytes)) {
    if (number === 3 && typeof value === "number") kind = value;
    if (number === 40 && typeof value === "number") unknownId = value;
  }
  return { kind, unknownId };
}

function readNormalizer(bytes: Uint8Array): Uint8Array | undefined {
  return [...protobufFields(bytes)].flatMap(({ number, value }) => (number === 2 && value instanceof Uint8Array ? [value] : []))[0];
}

async function readTokenizerJson(folder: Folder): Promise<Omit<UnigramFiles, "config">> {
  const file = `${folder.name}/tokenizer.json`;
  const { model, normalizer, added_tokens: added } = await readJson(folder, "tokenizer.json", { limit: LARGEST_JSON });
  if (!isObject(model) || (model.type ?? "Unigram") !== "Unigram" || !Array.isArray(model.vocab)) {
    throw new CheckpointError(`${file} is not a T5 tokenizer; expected a Unigram model with vocab`, { hint: HINT });
  }
  const pieces = model.vocab.map((entry: Json): Piece => {
    const [text, score] = Array.isArray(entry) ? entry : [];
    if (typeof text === "string" && typeof score === "number") return [text, score];
    throw new CheckpointError(`${file}: a piece is ${quote(entry)}; expected a text and its score`, { hint: "download the file again" });
  });
  const unknownId = typeof model.unk_id === "number" ? model.unk_id : -1;
  expectPieces(pieces, unknownId, file);
  const contents = (Array.isArray(added) ? added : []).flatMap((each: Json) =>
    isObject(each) && typeof each.content === "string" ? [each.content] : [],
  );
  return { pieces, unknownId, charsmap: charsmapOf(normalizer, file), added: contents };
}

/** The table of tokenizer.json's normalizer. @throws CheckpointError if it has other steps. */
function charsmapOf(normalizer: Json | undefined, file: string): Charsmap | undefined {
  if (!isObject(normalizer)) return undefined;
  const steps = normalizer.type === "Sequence" && Array.isArray(normalizer.normalizers) ? normalizer.normalizers : [normalizer];
  if (steps.length === 0) return undefined;
  const [step] = steps;
  if (steps.length > 1 || !isObject(step) || step.type !== "Precompiled" || typeof step.precompiled_charsmap !== "string") {
    throw new CheckpointError(`${file} normalises texts by ${quote(normalizer.type)}; expected Precompiled`, { hint: HINT });
  }
  try {
    return Charsmap.read(
      Uint8Array.from(atob(step.precompiled_charsmap), (byte) => byte.charCodeAt(0)),
      file,
    );
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(`${file}: its precompiled_charsmap is not base64`, { hint: "download the file again", cause });
  }
}

function expectPieces(pieces: readonly Piece[], unknownId: number, file: string): void {
  if (pieces.length === 0) throw new CheckpointError(`${file} holds no pieces`, { hint: "download the file again" });
  const wrong = pieces.find(([text, score]) => text.length > LONGEST_PIECE || !Number.isFinite(score));
  if (wrong) {
    throw new CheckpointError(`${file}: a piece is ${quote([...wrong])}; expected up to ${LONGEST_PIECE} letters and a finite score`, {
      hint: "download the file again",
    });
  }
  if (!(Number.isInteger(unknownId) && unknownId >= 0 && unknownId < pieces.length)) {
    throw new CheckpointError(`${file}: unk_id is ${unknownId}; expected an id from 0 to ${pieces.length - 1}`);
  }
}
