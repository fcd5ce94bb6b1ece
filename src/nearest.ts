/** The `count` of `names` that `name` is most easily mistyped for, nearest first. */
export function nearestNames(name: string, names: Iterable<string>, count: number): string[] {
  const distances = new Map([...names].map((other) => [other, distance(name, other)]));
  return [...distances.keys()].sort((a, b) => (distances.get(a) ?? 0) - (distances.get(b) ?? 0)).slice(0, count);
}

/** The one of `names` that `name` is mistyped for, or begins; undefined where none is near. */
export function mistypedName(name: string, names: Iterable<string>): string | undefined {
  const all = [...names];
  const [nearest] = nearestNames(name, all, 1);
  // A slip in every three letters.
  if (nearest !== undefined && distance(name, nearest) <= name.length / 3) return nearest;
  return name.length > 1 ? all.find((other) => other.startsWith(name)) : undefined;
}

/** The edit distance, in which two letters that changed places count once (Damerau 1964, for neighbours that are not edited again). */
export function distance(a: string, b: string): number {
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
