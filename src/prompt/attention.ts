import { ArgumentError } from "../errors.js";

/** A part of a prompt and its weight: 1 is normal, more draws attention to it, less takes attention away. */
export interface WeightedText {
  readonly text: string;
  readonly weight: number;
}

/** The result of {@link parseAttention} for the word BREAK, which ends a chunk of the prompt. */
export const BREAK: WeightedText = { text: "BREAK", weight: -1 };

/** The deepest nesting of brackets. 1.1 to this power is 4e10: deeper brackets are not emphasis but an attack on the parsers' time. */
const MAX_NESTING = 256;

const ROUND = 1.1;
const SQUARE = 1 / 1.1;

// An escaped character, a bracket, the end `:1.3)` of a weighted bracket, or the text between them.
const symbolPattern = /\\[()[\]\\]|\\|[()[\]]|:\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\)|[^\\()[\]:]+|:/gu;
/** Syntax that does not occur in plain text: `(word:1.3)`, `((word))`, `[from:to:0.5]`. A letter is required: `(16:9)` is plain text. */
const syntaxPattern =
  /\((?=[^():]*\p{L})[^():]{1,100}:\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*\)|\(\((?=[^()]*\p{L})[^()]{1,100}\)\)|\[(?=[^[\]]*\p{L})[^[\]]{1,100}:\s*(?:\d+(?:\.\d*)?|\.\d+)\s*\]/u;
const breakPattern = keyword("BREAK");

/**
 * Splits a prompt at its emphasis: `(word)` is 1.1, `((word))` is 1.21, `(word:1.3)` is 1.3, `[word]` is 1 / 1.1. `\(`, `\)`, `\[`, `\]`
 * and `\\` are the characters themselves. An open bracket without a partner reaches to the end, a closing one is text. Neighbours of equal
 * weight are joined. BREAK gives {@link BREAK}; brackets around it change its weight. Matches AUTOMATIC1111's parse_prompt_attention, with
 * one difference: weights with digits other than 0 to 9, and weights that are not a number (`1.2.3`, at which it fails), are text.
 * @throws ArgumentError if brackets are nested deeper than {@link MAX_NESTING}.
 */
export function parseAttention(prompt: string): readonly WeightedText[] {
  const texts: string[] = [];
  const weights: number[] = [];
  const [round, square]: [number[], number[]] = [[], []];
  const add = (text: string, weight = 1) => {
    texts.push(text);
    weights.push(weight);
  };
  const multiply = (start: number | undefined, factor: number) => {
    for (let i = start ?? weights.length; i < weights.length; i++) weights[i] = (weights[i] as number) * factor;
  };
  for (const [symbol, weight] of prompt.matchAll(symbolPattern)) {
    if (symbol.startsWith("\\")) add(symbol.slice(1));
    else if (symbol === "(" || symbol === "[") {
      (symbol === "(" ? round : square).push(texts.length);
      expectNesting(round.length + square.length);
    } else if (weight !== undefined && round.length > 0) multiply(round.pop(), Number(weight));
    else if (symbol === ")" && round.length > 0) multiply(round.pop(), ROUND);
    else if (symbol === "]" && square.length > 0) multiply(square.pop(), SQUARE);
    else {
      splitAtBreaks(symbol).forEach((part, i) => {
        if (i > 0) add(BREAK.text, BREAK.weight);
        add(part);
      });
    }
  }
  for (const start of round) multiply(start, ROUND);
  for (const start of square) multiply(start, SQUARE);
  return merge(texts, weights);
}

/** The first part of a prompt that must be AUTOMATIC1111's syntax, if there is one. */
export function findSyntax(prompt: string): string | undefined {
  return syntaxPattern.exec(prompt)?.[0];
}

/** @throws ArgumentError if `depth` is above {@link MAX_NESTING}. */
export function expectNesting(depth: number): void {
  if (depth <= MAX_NESTING) return;
  throw new ArgumentError(`the prompt has more than ${MAX_NESTING} brackets open at once`, {
    hint: "close them, or write \\( and \\[ for brackets that are part of the text",
  });
}

/** Finds a word in capitals with no letter or digit of any script next to it. */
export function keyword(word: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, "u");
}

/** The text around every BREAK, without the white space next to it. */
function splitAtBreaks(text: string): readonly string[] {
  const parts = text.split(breakPattern);
  const last = parts.length - 1;
  return parts.map((part, i) => {
    const start = i > 0 ? part.trimStart() : part;
    return i < last ? start.trimEnd() : start;
  });
}

function merge(texts: readonly string[], weights: readonly number[]): readonly WeightedText[] {
  const merged: { text: string; weight: number }[] = [];
  for (const [i, text] of texts.entries()) {
    const weight = weights[i] as number;
    const last = merged.at(-1);
    if (last?.weight === weight) last.text += text;
    else merged.push({ text, weight });
  }
  return merged.length > 0 ? merged : [{ text: "", weight: 1 }];
}
