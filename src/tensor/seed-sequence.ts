/**
 * Words of 32 bits, mixed from numbers of any size: numpy's `SeedSequence(entropy, spawn_key=spawnKey, pool_size=poolSize)` and its
 * `generate_state(count)`, after O'Neill 2015, "Developing a seed_seq Alternative".
 *
 * @param entropy not negative.
 * @param spawnKey numbers, not negative; each key gives the entropy another sequence.
 */
export function seedSequence(entropy: bigint, spawnKey: readonly number[], poolSize: number, count: number): Uint32Array {
  const words = wordsOf(entropy);
  // numpy fills up to the pool, so that a spawn key does not run into the entropy.
  if (spawnKey.length > 0) while (words.length < poolSize) words.push(0);
  const assembled = [...words, ...spawnKey.flatMap((key) => wordsOf(BigInt(key)))];
  return drawState(mixedPool(assembled, poolSize), count);
}

// The constants of numpy/random/bit_generator.pyx.
const INITIAL_A = 0x43b0d7e5;
const FACTOR_A = 0x931e8875;
const INITIAL_B = 0x8b51f9dd;
const FACTOR_B = 0x58f38ded;
const MIX_LEFT = 0xca01f9dd;
const MIX_RIGHT = 0x4973f715;
const SHIFT = 16;

function mixedPool(entropy: readonly number[], size: number): Uint32Array {
  const hash = hasher(INITIAL_A, FACTOR_A);
  const pool = Uint32Array.from({ length: size }, (_, i) => hash(entropy[i] ?? 0));
  for (let source = 0; source < size; source++) {
    for (let target = 0; target < size; target++) {
      if (source !== target) pool[target] = mix(pool[target] as number, hash(pool[source] as number));
    }
  }
  for (const word of entropy.slice(size))
    for (let target = 0; target < size; target++) pool[target] = mix(pool[target] as number, hash(word));
  return pool;
}

function drawState(pool: Uint32Array, count: number): Uint32Array {
  const hash = hasher(INITIAL_B, FACTOR_B);
  return Uint32Array.from({ length: count }, (_, i) => hash(pool[i % pool.length] as number));
}

/** Hashes one word after another, with a constant that changes at each word. */
function hasher(initial: number, factor: number): (word: number) => number {
  let constant = initial;
  return (word) => {
    const mixed = word ^ constant;
    constant = Math.imul(constant, factor);
    const value = Math.imul(mixed, constant);
    return (value ^ (value >>> SHIFT)) >>> 0;
  };
}

function mix(x: number, y: number): number {
  const value = (Math.imul(MIX_LEFT, x) - Math.imul(MIX_RIGHT, y)) | 0;
  return (value ^ (value >>> SHIFT)) >>> 0;
}

/** A number's words, lowest first; zero has one. */
function wordsOf(value: bigint): number[] {
  const words = [Number(value & 0xffffffffn)];
  for (let rest = value >> 32n; rest > 0n; rest >>= 32n) words.push(Number(rest & 0xffffffffn));
  return words;
}
