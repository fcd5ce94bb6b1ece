import { ArgumentError } from "../errors.js";
import { parseSeed } from "../tensor/random.js";
import type { RunRequest } from "./run-request.js";

/** The seed of each picture: picture i has the first seed + i. @throws ArgumentError if the last is beyond 2^64 - 1 */
export function seedsOf({ seed, numImagesPerPrompt: count = 1 }: RunRequest): readonly bigint[] {
  const first = seed === undefined || String(seed).trim() === "-1" ? randomSeed() : parseSeed(seed);
  if (first + BigInt(count) > 2n ** 64n) {
    throw new ArgumentError(
      (name) => `${name("seed")} is ${first} and ${name("numImagesPerPrompt")} ${count}: the last picture's seed would be beyond 2^64 - 1`,
      { argument: "seed", hint: "picture i uses seed + i; give a smaller seed" },
    );
  }
  return Array.from({ length: count }, (_, i) => first + BigInt(i));
}

/** A random seed of 32 bits, like those of web UIs. */
function randomSeed(): bigint {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
}
