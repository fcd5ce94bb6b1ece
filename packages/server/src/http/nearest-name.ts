/** The name with the fewest letters to change, whatever the case; undefined if there are no names. */
export function nearestName(wanted: string, names: readonly string[]): string | undefined {
  const word = wanted.toLowerCase().slice(0, LONGEST);
  const distances = names.map((name) => [name, distance(word, name.toLowerCase().slice(0, LONGEST))] as const);
  return distances.sort(([, a], [, b]) => a - b)[0]?.[0];
}

/** The name that `wanted` probably means: one wrong letter, or one in three. */
export function mistypedName(wanted: string, names: readonly string[]): string | undefined {
  const nearest = nearestName(wanted, names);
  const isNear =
    nearest !== undefined && distance(wanted.toLowerCase().slice(0, LONGEST), nearest.toLowerCase()) <= Math.max(1, wanted.length / 3);
  return isNear ? nearest : undefined;
}

/** Letters that count: a name of a million letters is somebody's test. */
const LONGEST = 100;

/** The edit distance (Levenshtein 1966), row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + Number(letter !== b[j - 1]);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
