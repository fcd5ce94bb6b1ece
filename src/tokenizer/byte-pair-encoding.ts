/** What marks the end of a word in the vocabulary: `cat</w>` is a word's end, `cat` is not. */
const endOfWord = "</w>";

// Every byte has a printable character (GPT-2's alphabet): its own where it has one, the others from U+0100 on.
const characterOfByte: readonly string[] = byteAlphabet();
const byteOfCharacter = new Map(characterOfByte.map((character, byte) => [character, byte]));

/** A word's tokens: their ids, and for each the byte of the word's UTF-8 at which it starts. */
export interface EncodedWord {
  readonly ids: readonly number[];
  readonly starts: readonly number[];
}

/** Byte-pair encoding over UTF-8 bytes with an end-of-word mark (Sennrich et al. 2016, Radford et al. 2019), as CLIP uses it. */
export class BytePairEncoding {
  private readonly utf8 = new TextEncoder();

  /**
   * @param vocabulary Token to id, tokens in GPT-2's byte alphabet.
   * @param ranks For each pair `left right` that may be merged its rank; lower ones are merged first.
   * @param unknownId Id for a symbol that the vocabulary lacks.
   */
  constructor(
    private readonly vocabulary: Readonly<Record<string, number>>,
    private readonly ranks: ReadonlyMap<string, number>,
    private readonly unknownId: number,
  ) {}

  /** The tokens of one word (not empty). */
  encode(word: string): EncodedWord {
    const symbols = Array.from(this.utf8.encode(word), (byte) => characterOfByte[byte] as string);
    symbols[symbols.length - 1] += endOfWord;
    const rank = (i: number) => this.ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Number.POSITIVE_INFINITY;
    const ranks = symbols.slice(1).map((_, i) => rank(i));
    for (;;) {
      let best = 0;
      for (let i = 1; i < ranks.length; i++) if ((ranks[i] as number) < (ranks[best] as number)) best = i;
      if (!Number.isFinite(ranks[best])) break;
      symbols.splice(best, 2, `${symbols[best]}${symbols[best + 1]}`);
      ranks.splice(best, 1);
      if (best > 0) ranks[best - 1] = rank(best - 1);
      if (best < ranks.length) ranks[best] = rank(best);
    }
    let at = 0;
    const starts = symbols.map((symbol) => {
      at += symbol.length;
      return at - symbol.length;
    });
    // Only the last symbol carries the mark, so every start counts bytes.
    const id = (symbol: string) => (Object.hasOwn(this.vocabulary, symbol) ? (this.vocabulary[symbol] as number) : this.unknownId);
    return { ids: symbols.map(id), starts };
  }
}

/** The text that tokens stand for: bytes read as UTF-8, a space after each word. */
export function decodeTokens(tokens: readonly string[]): string {
  const utf8 = new TextEncoder();
  const bytes = tokens.flatMap((token) => {
    const own = Array.from(token, (character) => byteOfCharacter.get(character));
    return own.some((byte) => byte === undefined) ? Array.from(utf8.encode(token)) : (own as number[]);
  });
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes)).replaceAll(endOfWord, " ").trim();
}

function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}
