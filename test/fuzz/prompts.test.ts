import "../../src/hub/open-checkpoint.js";
import fc from "fast-check";
import { expect } from "vitest";
import { parseAttention } from "../../src/prompt/attention.js";
import { chunkPrompt } from "../../src/prompt/chunks.js";
import { extractLoraTags } from "../../src/prompt/lora-tags.js";
import { promptSchedule } from "../../src/prompt/schedule.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { checkpoint } from "../helpers/fixtures.js";
import { hostileText } from "./hostile.js";
import { attack, refusing, surface } from "./surface.js";

const tokenizer = await CLIPTokenizer.fromPretrained(checkpoint("tokenizer-mini"));

/** Pieces of AUTOMATIC1111's syntax. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "(",
      ")",
      "[",
      "]",
      ":",
      "|",
      "\\",
      "a fox",
      " ",
      ", ",
      "1.2",
      ".5",
      "0.25",
      "3",
      "-1",
      "1e3",
      "BREAK",
      "AND",
      "\n",
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("(x:1.1)", "[a:b:3]", "[a|b]", "<lora:a:1>", "<|endoftext|>", ":1.2)", "::", ":0.5]", "\\(", "\\]"),
  },
  { weight: 1, arbitrary: hostileText },
);
const prompt = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));

/** A prompt as long as a book: a few pieces again and again. */
const longPrompt = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.constantFrom("", "]", ")", ":3]", "|b]"), fc.constantFrom(20_000, 200_000))
  .map(([pieces, last, length]) => {
    const part = pieces.join("") || "a";
    return part.repeat(Math.ceil(length / part.length)).slice(0, length) + last;
  });

async function strike(text: string): Promise<void> {
  const parts = await refusing(() => parseAttention(text));
  // Nothing is added but the word BREAK.
  const letters = (parts ?? []).reduce((sum, part) => sum + part.text.length, 0);
  expect(letters).toBeLessThanOrEqual(text.length);
  const schedule = await refusing(() => promptSchedule(text, 20));
  if (schedule) {
    expect(schedule.at(-1)?.until).toBe(20);
    for (const each of schedule) expect(each.text.length).toBeLessThanOrEqual(text.length);
  }
  const chunks = await refusing(() => chunkPrompt(tokenizer, text));
  for (const { ids, weights } of chunks ?? []) expect([ids.length, weights.length]).toEqual([77, 77]);
  const loras = await refusing(() => extractLoraTags(text));
  if (loras) expect(loras.prompt.length).toBeLessThanOrEqual(text.length);
}

surface("a prompt", [
  attack("of any brackets", prompt, strike, { runs: 400 }),
  attack("as long as a book", longPrompt, strike, { runs: 8 }),
]);
