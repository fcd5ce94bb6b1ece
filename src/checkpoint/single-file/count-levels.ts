/** One more than the largest number that `pattern` captures. */
export function levelsOf(names: readonly string[], pattern: RegExp): number {
  return names.reduce((count, name) => Math.max(count, Number(pattern.exec(name)?.[1] ?? -1) + 1), 0);
}
