/**
 * Peak signal-to-noise ratio of two pictures' 8-bit values, in decibels: 20 is another picture, 30 a visible and 40 a hardly visible
 * difference.
 */
export function psnr(picture: ArrayLike<number>, exact: ArrayLike<number>): number {
  if (picture.length !== exact.length || exact.length === 0) throw new Error(`${picture.length} values were given for ${exact.length}`);
  const squares = Array.from(exact, (value, i) => (value - (picture[i] as number)) ** 2);
  return 10 * Math.log10(255 ** 2 / (squares.reduce((sum, square) => sum + square, 0) / squares.length));
}

export function formatDecibels(decibels: number): string {
  return Number.isFinite(decibels) ? `${decibels.toFixed(1)} dB` : "the same";
}
