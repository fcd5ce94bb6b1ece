import type { TokenNumbers } from "./token-table.js";

// Every byte has a printable character (GPT-2's alphabet): its own if that is printable, else one from U+0100 on.
const characterOfByte: readonly string[] = byteAlphabet();
const byteOfCharacter = new Map(characterOfByte.map((character, byte) => [character, byte]));

/** A word's tokens: their ids, and the byte of the word's UTF-8 at which each starts. */
export interface EncodedWord {
  readonly ids: readonly number[];
  readonly starts: readonly number[];
}

/** Byte-pair encoding over UTF-8 bytes (Sennrich et al. 2016, Radford et al. 2019). */
export class BytePairEncoding {
  private readonly utf8 = new TextEncoder();

  /**
   * @param vocabulary Token to id, tokens in GPT-2's byte alphabet.
   * @param ranks The rank of each pair `left right` that can be merged. Lower ranks are merged first.
   * @param unknownId The id of a symbol that is not in the vocabulary; undefined: it has no token.
   * @param endOfWord Marks the end of a word in the vocabulary: with `</w>`, `cat</w>` ends a word, and `cat` does not. "" for none.
   */
  constructor(
    private readonly vocabulary: TokenNumbers,
    private readonly ranks: Pick<TokenNumbers, "get">,
    private readonly unknownId: number | undefined,
    private readonly endOfWord = "",
  ) {}

  /** The tokens of one word (not empty). */
  encode(word: string): EncodedWord {
    const bytes = Array.from(this.utf8.encode(word), (byte) => characterOfByte[byte] as string);
    bytes[bytes.length - 1] += this.endOfWord;
    const [ids, starts]: [number[], number[]] = [[], []];
    let at = 0;
    for (const symbol of this.merge(bytes)) {
      const id = this.vocabulary.get(symbol) ?? this.unknownId;
      if (id !== undefined) {
        ids.push(id);
        // Only the last symbol has the mark, so that every start is a number of bytes.
        starts.push(at);
      }
      at += symbol.length;
    }
    return { ids, starts };
  }

  /** Merges pairs of neighbours until none is left: the lowest rank first, equal ranks from left to right. */
  private merge(symbols: readonly string[]): readonly string[] {
    const merged: (string | undefined)[] = [...symbols];
    // The next and the previous symbol of each. A merged symbol takes the place of its left one.
    const next = symbols.map((_, i) => i + 1);
    const previous = symbols.map((_, i) => i - 1);
    const rankOf = (left: number) => {
      const [first, second] = [merged[left], merged[next[left] ?? -1]];
      return first === undefined || second === undefined ? undefined : this.ranks.get(`${first} ${second}`);
    };
    const candidates = new Candidates();
    const propose = (left: number) => {
      const rank = rankOf(left);
      if (rank !== undefined) candidates.add({ rank, left });
    };
    for (let i = 0; i < symbols.length; i++) propose(i);
    for (let best = candidates.take(); best; best = candidates.take()) {
      const { rank, left } = best;
      // If not, one of the two was merged with another in the meantime.
      if (rank !== rankOf(left)) continue;
      const right = next[left] as number;
      merged[left] = `${merged[left]}${merged[right]}`;
      merged[right] = undefined;
      next[left] = next[right] as number;
      if (next[left] < symbols.length) previous[next[left]] = left;
      propose(previous[left] as number);
      propose(left);
    }
    return merged.filter((symbol) => symbol !== undefined);
  }
}

/** Two neighbours that can be merged; `at` is the place of the left one. */
interface Candidate {
  readonly rank: number;
  readonly left: number;
}

/** A binary heap of candidates. Finding the next one takes logarithmic time, so that words can have any length. */
class Candidates {
  private readonly heap: Candidate[] = [];

  add(candidate: Candidate): void {
    const { heap } = this;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesFirst(candidate, heap[parent] as Candidate)) break;
      heap[at] = heap[parent] as Candidate;
      at = parent;
    }
    heap[at] = candidate;
  }

  take(): Candidate | undefined {
    const { heap } = this;
    const [first] = heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesFirst(heap[child + 1] as Candidate, heap[child] as Candidate)) child++;
      if (!comesFirst(heap[child] as Candidate, last)) break;
      heap[at] = heap[child] as Candidate;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function comesFirst(a: Candidate, b: Candidate): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.left < b.left);
}

/** The text of tokens: their bytes read as UTF-8. */
export function decodeTokens(tokens: readonly string[]): string {
  const utf8 = new TextEncoder();
  const bytes = tokens.flatMap((token) => {
    const own = Array.from(token, (character) => byteOfCharacter.get(character));
    return own.some((byte) => byte === undefined) ? Array.from(utf8.encode(token)) : (own as number[]);
  });
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}
