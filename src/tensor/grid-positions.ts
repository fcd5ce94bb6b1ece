/** The positions of a picture's tokens, row by row: [first, row, column], with `first` the position on the first axis. */
export function gridPositions(rows: number, columns: number, first = 0, [top, left]: readonly [number, number] = [0, 0]): number[][] {
  return Array.from({ length: rows * columns }, (_, i) => [first, top + Math.floor(i / columns), left + (i % columns)]);
}
