/** A piece of a vocabulary, and the logarithm of its probability. */
export type Piece = readonly [text: string, score: number];

/** What an unknown character costs more than the least probable piece. */
const UNKNOWN_PENALTY = 10;

/** The best way to split a text up to a place. */
interface Step {
  readonly score: number;
  readonly start: number;
  /** The piece from `start` on; undefined for an unknown character. */
  readonly id: number | undefined;
}

/**
 * SentencePiece's unigram model (Kudo 2018): a text is split into the pieces whose probabilities have the largest product, found by
 * Viterbi's algorithm. Unknown characters in a row become one token. Matches `Unigram` of the tokenizers library.
 */
export class UnigramEncoding {
  private readonly ids = new Map<string, number>();
  private readonly longest: number;
  private readonly unknownScore: number;

  /** The id of a piece is its place in `pieces`. */
  constructor(
    private readonly pieces: readonly Piece[],
    private readonly unknownId: number,
  ) {
    let [longest, least] = [0, 0];
    pieces.forEach(([text, score], id) => {
      this.ids.set(text, id);
      longest = Math.max(longest, text.length);
      least = Math.min(least, score);
    });
    this.longest = longest;
    this.unknownScore = least - UNKNOWN_PENALTY;
  }

  /** The id of a piece; undefined if there is none. */
  idOf(piece: string): number | undefined {
    return this.ids.get(piece);
  }

  /** The ids of a text. */
  encode(text: string): number[] {
    const steps = this.bestSteps(text);
    const ids: number[] = [];
    let end = text.length;
    while (end > 0) {
      const { start, id } = steps[end] as Step;
      let first = start;
      if (id === undefined) while (first > 0 && steps[first]?.id === undefined) first = (steps[first] as Step).start;
      ids.push(id ?? this.ids.get(text.slice(first, end)) ?? this.unknownId);
      end = first;
    }
    return ids.reverse();
  }

  /** The best step that ends at each place. */
  private bestSteps(text: string): (Step | undefined)[] {
    const steps: (Step | undefined)[] = new Array(text.length + 1);
    const propose = (end: number, step: Step) => {
      const best = steps[end];
      if (!best || step.score > best.score) steps[end] = step;
    };
    for (let start = 0; start < text.length; ) {
      const before = steps[start]?.score ?? 0;
      const width = (text.codePointAt(start) as number) > 0xffff ? 2 : 1;
      let isKnown = false;
      for (let end = start + width; end <= Math.min(text.length, start + this.longest); end++) {
        const id = this.ids.get(text.slice(start, end));
        if (id === undefined) continue;
        propose(end, { score: before + (this.pieces[id]?.[1] ?? 0), start, id });
        isKnown ||= end === start + width;
      }
      if (!isKnown) propose(start + width, { score: before + this.unknownScore, start, id: undefined });
      start += width;
    }
    return steps;
  }
}
