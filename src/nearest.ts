/** The `count` names of `names` with the smallest edit distance to `name`, nearest first. */
export function nearestNames(name: string, names: Iterable<string>, count: number): string[] {
  const distances = new Map([...names].map((other) => [other, distance(name, other)]));
  return [...distances.keys()].sort((a, b) => (distances.get(a) ?? 0) - (distances.get(b) ?? 0)).slice(0, count);
}

/**
 * The name of `names` that a user probably means by `name`: misspelt or shortened, in upper or lower case. Undefined if none is near, so
 * that nobody is told a name that has nothing to do with the one that was given.
 */
export function mistypedName(name: string, names: Iterable<string>): string | undefined {
  const small = name.toLowerCase();
  const originals = new Map([...names].map((other) => [other.toLowerCase(), other]));
  const [nearest = ""] = nearestNames(small, originals.keys(), 1);
  // One wrong letter, or one in three. Of a name of two letters, one is half of it.
  const most = small.length < 3 ? 0 : Math.max(1, Math.min(small.length, MOST_LETTERS) / 3);
  if (distance(small, nearest) <= most) return originals.get(nearest);
  const longer = small.length > 1 ? [...originals.keys()].find((other) => other.startsWith(small)) : undefined;
  return longer === undefined ? undefined : originals.get(longer);
}

/** Letters of a name that count: longer ones are no typing errors, and the time grows with their length. */
const MOST_LETTERS = 100;

/** The edit distance (Damerau 1964, optimal string alignment): two neighbouring letters in the wrong order count as one edit. */
function distance(one: string, other: string): number {
  const [a, b] = [one.slice(0, MOST_LETTERS), other.slice(0, MOST_LETTERS)];
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] as number) + Number(a[i - 1] !== b[j - 1]);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (beforePrevious[j - 2] ?? Number.POSITIVE_INFINITY) + 1 : replaced;
      current.push(Math.min(replaced, swapped, (previous[j] as number) + 1, (current[j - 1] as number) + 1));
    }
    [beforePrevious, previous] = [previous, current];
  }
  return previous[b.length] as number;
}
