import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { seedSequence } from "../../src/tensor/seed-sequence.js";

const { seedSequence: cases } = JSON.parse(readFileSync(new URL("../fixtures/scheduler-extras/extras.json", import.meta.url), "utf8")) as {
  seedSequence: { entropy: string; spawnKey: number[]; poolSize: number; words: number[] }[];
};

it.each(cases)("draws numpy's words from entropy $entropy and spawn key $spawnKey", ({ entropy, spawnKey, poolSize, words }) => {
  expect([...seedSequence(BigInt(entropy), spawnKey, poolSize, words.length)]).toEqual(words);
});
