/** A token that is searched for in a text before the text is split into words. */
export interface FindableToken {
  readonly content: string;
  readonly id: number;
  /** Whether it counts only if no letter or digit is next to it. */
  readonly singleWord: boolean;
}

/** A token, and the place where its text begins. */
export interface PlacedToken {
  readonly id: number;
  readonly start: number;
}

/** A token found in a text. */
export interface FoundToken extends PlacedToken {
  readonly end: number;
}

/** A place in the tree of the tokens' characters. */
interface Branch {
  readonly next: Map<string, Branch>;
  /** The token that ends here, if any. */
  id?: number;
  singleWord: boolean;
}

const wordPattern = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u;

/** Finds tokens in texts. The time does not grow with the number of tokens: a tokenizer's files can list any number. */
export class TokenFinder {
  private readonly root: Branch = { next: new Map(), singleWord: true };

  /** If several tokens have the same content, the first id counts. */
  constructor(tokens: readonly FindableToken[]) {
    for (const { content, id, singleWord } of tokens) {
      let branch = this.root;
      for (const character of content) {
        const next = branch.next.get(character) ?? { next: new Map(), singleWord: true };
        branch.next.set(character, next);
        branch = next;
      }
      // White space becomes an empty text when it is normalised.
      if (branch === this.root) continue;
      branch.id ??= id;
      branch.singleWord &&= singleWord;
    }
  }

  /** Whether a token has exactly this content. */
  has(content: string): boolean {
    let branch: Branch | undefined = this.root;
    for (const character of content) branch = branch?.next.get(character);
    return branch?.id !== undefined;
  }

  /** The tokens in a text, from left to right. Of several tokens that begin at one place, the longest counts. */
  *find(text: string): Generator<FoundToken> {
    for (let at = 0; at < text.length; ) {
      const found = this.longestAt(text, at);
      if (found) yield found;
      at = found?.end ?? at + characterAt(text, at).length;
    }
  }

  private longestAt(text: string, start: number): FoundToken | undefined {
    let longest: FoundToken | undefined;
    let branch: Branch | undefined = this.root;
    for (let end = start; branch; ) {
      if (branch.id !== undefined && (!branch.singleWord || standsAlone(text, start, end))) longest = { id: branch.id, start, end };
      const character = characterAt(text, end);
      branch = branch.next.get(character);
      end += character.length;
    }
    return longest;
  }
}

/** The tokens that `finder` finds, and the result of `rest` for the texts between them. */
export function separate(text: string, finder: TokenFinder, rest: (part: string, offset: number) => PlacedToken[]): PlacedToken[] {
  const parts: PlacedToken[][] = [];
  let at = 0;
  for (const { id, start, end } of finder.find(text)) {
    parts.push(rest(text.slice(at, start), at), [{ id, start }]);
    at = end;
  }
  parts.push(rest(text.slice(at), at));
  return parts.flat();
}

/** Whether no letter or digit is next to the characters from `start` to `end`. */
function standsAlone(text: string, start: number, end: number): boolean {
  const pair = characterAt(text, start - 2);
  const before = pair.length === 2 ? pair : characterAt(text, start - 1);
  return !wordPattern.test(before) && !wordPattern.test(characterAt(text, end));
}

/** The character that begins at a place, with both code units if it has two; "" after the end. */
function characterAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}
