import { ArgumentError } from "../errors.js";
import type { CLIPTokenizer } from "../tokenizer/clip.js";
import { warn } from "../warnings.js";
import { BREAK, parseAttention } from "./attention.js";

/** A part of a prompt that a text encoder takes at once, with start and end tokens. */
export interface PromptChunk {
  readonly ids: readonly number[];
  /** The weight of each token. */
  readonly weights: readonly number[];
}

/** A chunk that is being filled. */
interface Filling {
  readonly ids: number[];
  readonly weights: number[];
  /** The position of the last comma. */
  comma: number | undefined;
}

/**
 * If a full chunk would end within a phrase, it ends at the comma before the phrase, if the comma is at most this far back (AUTOMATIC1111's
 * default).
 */
const COMMA_BACKTRACK = 20;

/**
 * A prompt with emphasis in chunks of 75 tokens (the encoder's 77 without start and end). The last chunk is padded. BREAK ends a chunk
 * early. A placeholder of several vectors is not split. Matches tokenize_line of AUTOMATIC1111's FrozenCLIPEmbedderWithCustomWords.
 * @throws ArgumentError if a placeholder has more vectors than a chunk has room, or brackets are nested too deeply.
 */
export function chunkPrompt(tokenizer: CLIPTokenizer, prompt: string): readonly PromptChunk[] {
  const room = tokenizer.modelMaxLength - 2;
  const comma = commaOf(tokenizer);
  const chunks: PromptChunk[] = [];
  let filling = empty();
  const finish = () => {
    chunks.push(finished(tokenizer, filling));
    filling = empty();
  };
  for (const { text, weight } of parseAttention(prompt)) {
    if (text === BREAK.text && weight === BREAK.weight) {
      finish();
      continue;
    }
    if (text === BREAK.text && weight < 0)
      warn("BREAK inside brackets does not end a chunk: close the brackets before it and open them again after it");
    for (const piece of tokenizer.encodePieces(text)) {
      if (piece.length > room) {
        throw new ArgumentError(`a word of the prompt has ${piece.length} vectors; the text encoder takes at most ${room}`);
      }
      const { ids, weights } = filling;
      if (piece[0] === comma) filling.comma = ids.length;
      else if (ids.length === room && filling.comma !== undefined && room - filling.comma <= COMMA_BACKTRACK) {
        const rest = filling.comma + 1;
        const moved = { ids: ids.splice(rest), weights: weights.splice(rest), comma: undefined };
        finish();
        filling = moved;
      }
      if (filling.ids.length + piece.length > room) finish();
      for (const id of piece) {
        filling.ids.push(id);
        filling.weights.push(weight);
      }
    }
  }
  if (filling.ids.length > 0 || chunks.length === 0) finish();
  return chunks;
}

/** The chunk of an empty prompt. It pads prompts that have fewer chunks than others. */
export function emptyChunk(tokenizer: CLIPTokenizer): PromptChunk {
  return finished(tokenizer, empty());
}

function empty(): Filling {
  return { ids: [], weights: [], comma: undefined };
}

function finished({ modelMaxLength, bosTokenId, eosTokenId, padTokenId }: CLIPTokenizer, { ids, weights }: Filling): PromptChunk {
  const filled = <Value>(values: readonly Value[], fill: Value) =>
    [...values, ...Array.from<Value>({ length: modelMaxLength }).fill(fill)].slice(0, modelMaxLength);
  return { ids: filled([bosTokenId, ...ids, eosTokenId], padTokenId), weights: filled([1, ...weights], 1) };
}

/** The token of a single comma, if the vocabulary has one. */
function commaOf(tokenizer: CLIPTokenizer): number | undefined {
  const [piece, ...others] = tokenizer.encodePieces(",");
  return others.length === 0 ? piece?.[0] : undefined;
}
