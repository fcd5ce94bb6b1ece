import { CheckpointError } from "../errors.js";

/** Characters of a text that a reader sees as one, such as a letter with its accents. */
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
/** SentencePiece looks up a grapheme as a whole only if it has fewer bytes than this. */
const LONGEST_GRAPHEME = 6;
/** Graphemes whose results are kept. */
const MOST_KEPT = 10_000;

/**
 * The normaliser of a SentencePiece model: a table of texts and their replacements, as a trie in two arrays (Darts). Matches the
 * `Precompiled` normaliser of the tokenizers library.
 */
export class Charsmap {
  private readonly known = new Map<string, string>();
  private readonly utf8 = new TextEncoder();

  private constructor(
    private readonly trie: Uint32Array,
    private readonly replacements: Uint8Array,
  ) {}

  /** Reads the table from its bytes. @throws CheckpointError; `owner` is the file's name. */
  static read(bytes: Uint8Array, owner: string): Charsmap {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.byteLength >= 4 ? view.getUint32(0, true) : 0;
    if (size === 0 || size % 4 !== 0 || size > bytes.byteLength - 4) {
      throw new CheckpointError(`${owner}: its precompiled_charsmap has ${bytes.byteLength} bytes, which are not a table of replacements`, {
        hint: "download the file again",
      });
    }
    const trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    return new Charsmap(trie, bytes.subarray(4 + size));
  }

  /** The text with its characters replaced. */
  normalize(text: string): string {
    let normalized = "";
    for (const { segment } of graphemes.segment(text)) normalized += this.replaced(segment);
    return normalized;
  }

  private replaced(grapheme: string): string {
    const known = this.known.get(grapheme);
    if (known !== undefined) return known;
    const bytes = this.utf8.encode(grapheme);
    const whole = bytes.length < LONGEST_GRAPHEME ? this.replacement(bytes) : undefined;
    const result = whole ?? Array.from(grapheme, (character) => this.replacement(this.utf8.encode(character)) ?? character).join("");
    if (this.known.size >= MOST_KEPT) this.known.clear();
    this.known.set(grapheme, result);
    return result;
  }

  /** The replacement of the shortest beginning of `key` that has one. */
  private replacement(key: Uint8Array): string | undefined {
    const { trie } = this;
    let node = offsetOf(trie[0] ?? 0);
    for (const byte of key) {
      if (byte === 0) return undefined;
      node ^= byte;
      const unit = trie[node];
      if (unit === undefined || (unit & 0x8000_00ff) >>> 0 !== byte) return undefined;
      node ^= offsetOf(unit);
      if ((unit >>> 8) & 1) return this.textAt((trie[node] ?? 0) & 0x7fff_ffff);
    }
    return undefined;
  }

  /** The replacement that begins at a place and ends before the next zero. */
  private textAt(start: number): string {
    const end = this.replacements.indexOf(0, start);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.replacements.subarray(start, end === -1 ? undefined : end));
  }
}

/** Where a unit's children are, relative to it. */
function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
