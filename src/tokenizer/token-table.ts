/** Numbers by texts: the ids of tokens, or the ranks of merges. */
export interface TokenNumbers {
  /** How many texts there are. */
  readonly size: number;
  /** The number of a text; undefined if there is none. */
  get(text: string): number | undefined;
  /** All texts with their numbers. */
  entries(): Iterable<readonly [text: string, number: number]>;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * A hash table over the bytes of a file (FNV-1a, open addressing). Making 150,000 strings of a vocabulary takes half a second; this takes a
 * twentieth of it.
 */
export class TokenTable implements TokenNumbers {
  size = 0;
  private readonly slots: Int32Array;
  private readonly starts: Int32Array;
  private readonly ends: Int32Array;
  private readonly numbers: Int32Array;
  private readonly utf8 = new TextEncoder();
  private scratch = new Uint8Array(256);

  /** Keys are ranges of `bytes`; there are at most `most`. */
  constructor(
    private readonly bytes: Uint8Array,
    most: number,
  ) {
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * most + 2)));
    this.starts = new Int32Array(most);
    this.ends = new Int32Array(most);
    this.numbers = new Int32Array(most);
  }

  /** Sets the number of the text in the bytes `start` to `end` (excluded). Of the same text set twice, the last number counts. */
  set(start: number, end: number, number: number): void {
    const slot = this.find(this.bytes, start, end);
    const known = (this.slots[slot] as number) - 1;
    if (known >= 0) {
      this.numbers[known] = number;
      return;
    }
    const place = this.size++;
    this.slots[slot] = place + 1;
    this.starts[place] = start;
    this.ends[place] = end;
    this.numbers[place] = number;
  }

  get(text: string): number | undefined {
    if (3 * text.length > this.scratch.length) this.scratch = new Uint8Array(4 * text.length);
    const { written } = this.utf8.encodeInto(text, this.scratch);
    const place = (this.slots[this.find(this.scratch, 0, written)] as number) - 1;
    return place < 0 ? undefined : this.numbers[place];
  }

  *entries(): Generator<readonly [text: string, number: number]> {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (let i = 0; i < this.size; i++) {
      yield [decoder.decode(this.bytes.subarray(this.starts[i], this.ends[i])), this.numbers[i] as number];
    }
  }

  /** The slot of a text, or the empty slot for it. */
  private find(source: Uint8Array, start: number, end: number): number {
    const { slots, bytes, starts, ends } = this;
    const mask = slots.length - 1;
    let hash = FNV_OFFSET;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (source[i] as number), FNV_PRIME);
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const place = (slots[slot] as number) - 1;
      if (place < 0) return slot;
      const first = starts[place] as number;
      if ((ends[place] as number) - first !== end - start) continue;
      let i = start;
      while (i < end && bytes[first + i - start] === source[i]) i++;
      if (i === end) return slot;
    }
  }
}

/** A JSON object of numbers as a table. */
export function tableOf(numbers: Readonly<Record<string, number>>, size: number): TokenNumbers {
  return {
    size,
    get: (text) => (Object.hasOwn(numbers, text) ? numbers[text] : undefined),
    entries: () => Object.entries(numbers),
  };
}

const [QUOTE, BACKSLASH, COLON, COMMA, OPEN, CLOSE] = Array.from('"\\:,{}', (character) => character.charCodeAt(0));
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/**
 * A JSON object of whole numbers as a table. Undefined if the bytes are anything else: the parser of JSON says what is wrong.
 */
export function scanVocabulary(source: Uint8Array): TokenTable | undefined {
  // Escapes are longer than what they stand for, so the texts fit into as many bytes.
  const bytes = new Uint8Array(source.length);
  const utf8 = new TextEncoder();
  // An entry has at least five bytes: two quotes, a colon, a digit and a comma.
  const table = new TokenTable(bytes, Math.floor(source.length / 5) + 1);
  let [at, to] = [0, 0];
  const skip = () => {
    while (source[at] === 0x20 || source[at] === 0x0a || source[at] === 0x0d || source[at] === 0x09) at++;
  };
  skip();
  if (source[at++] !== OPEN) return undefined;
  for (;;) {
    skip();
    if (source[at++] !== QUOTE) return undefined;
    const start = to;
    for (;;) {
      const byte = source[at++];
      if (byte === QUOTE) break;
      if (byte === undefined || byte < 0x20) return undefined;
      if (byte !== BACKSLASH) {
        bytes[to++] = byte;
        continue;
      }
      const escaped = readEscape(source, at);
      if (!escaped) return undefined;
      at = escaped.end;
      to += utf8.encodeInto(escaped.text, bytes.subarray(to)).written;
    }
    skip();
    if (source[at++] !== COLON) return undefined;
    skip();
    const first = at;
    let number = 0;
    for (let digit = (source[at] ?? 0) - 0x30; digit >= 0 && digit <= 9; digit = (source[++at] ?? 0) - 0x30) number = 10 * number + digit;
    // JSON has no leading zeros.
    if (at === first || at - first > 9 || (at - first > 1 && source[first] === 0x30)) return undefined;
    table.set(start, to, number);
    skip();
    const next = source[at++];
    if (next === CLOSE) break;
    if (next !== COMMA) return undefined;
  }
  skip();
  return at === source.length ? table : undefined;
}

/** The text of an escape after its backslash, and where it ends. Half of a surrogate pair is none. */
function readEscape(source: Uint8Array, at: number): { readonly text: string; readonly end: number } | undefined {
  const kind = String.fromCharCode(source[at] ?? 0);
  const text = ESCAPES[kind];
  if (text !== undefined) return { text, end: at + 1 };
  const unit = kind === "u" ? hexAt(source, at + 1) : undefined;
  if (unit === undefined) return undefined;
  if (unit < 0xd800 || unit > 0xdfff) return { text: String.fromCharCode(unit), end: at + 5 };
  const low = source[at + 5] === BACKSLASH && source[at + 6] === 0x75 ? hexAt(source, at + 7) : undefined;
  if (unit > 0xdbff || low === undefined || low < 0xdc00 || low > 0xdfff) return undefined;
  return { text: String.fromCharCode(unit, low), end: at + 11 };
}

function hexAt(source: Uint8Array, at: number): number | undefined {
  const digits = String.fromCharCode(...source.subarray(at, at + 4));
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}

/**
 * The lines of merges.txt as a table: each is two tokens with a space between, and its rank is its place among them. Undefined if a line is
 * anything else.
 */
export function scanMerges(bytes: Uint8Array): TokenTable | undefined {
  const table = new TokenTable(bytes, Math.floor(bytes.length / 3) + 1);
  let rank = 0;
  for (let start = 0; start < bytes.length; ) {
    let end = start;
    let [space, spaces] = [-1, 0];
    for (let byte = bytes[end]; byte !== undefined && byte !== 0x0a; byte = bytes[++end]) {
      if (byte !== 0x20) continue;
      space = end;
      spaces++;
    }
    const next = end + 1;
    if (bytes[end - 1] === 0x0d && end > start) end--;
    if (end > start && !isVersion(bytes, start)) {
      if (spaces !== 1 || space === start || space === end - 1) return undefined;
      table.set(start, end, rank++);
    }
    start = next;
  }
  return table;
}

/** Whether a line begins with "#version". */
function isVersion(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === 0x23 && String.fromCharCode(...bytes.subarray(start, start + 8)) === "#version";
}
