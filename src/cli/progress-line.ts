/** Columns of a bar where there is room. */
const LONGEST_BAR = 40;
/** A shorter bar says less than its room is worth. */
const SHORTEST_BAR = 8;

/** Columns of the terminal that stderr is, as wide as it is now. */
export function terminalColumns(): number {
  return process.stderr.columns || 80;
}

/**
 * A line of progress that is narrower than `columns`: the first of `lines` that fits, the last if none does. `{bar}` in a line becomes a bar as long
 * as there is room for, of which `share` (0..1) is full.
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
