/** Columns of a bar on a wide terminal. */
const LONGEST_BAR = 40;
/** Columns of a bar on a narrow terminal. */
const SHORTEST_BAR = 8;

/** Current width of the terminal at stderr, in columns. */
export function terminalColumns(): number {
  return process.stderr.columns || 80;
}

/**
 * A line of progress that is narrower than `columns`: the first of `lines` that fits, or the last. `{bar}` in a line is replaced by a bar
 * that uses the free room; `share` (0..1) of it is full.
 */
export function progressLine(lines: readonly string[], share: number, columns: number): string {
  const filled = lines.map((line) => {
    const room = columns - 1 - (line.length - "{bar}".length);
    return line.replace("{bar}", bar(share, Math.min(Math.max(room, SHORTEST_BAR), LONGEST_BAR)));
  });
  return filled.find((line) => line.length < columns) ?? filled.at(-1) ?? "";
}

function bar(share: number, columns: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * columns);
  return "█".repeat(full) + "░".repeat(columns - full);
}
