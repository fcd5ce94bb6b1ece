import sharp, { type Color } from "sharp";

/** A PNG of one colour. */
export function plain(width: number, height: number, background: Color): Promise<Buffer> {
  const channels = typeof background === "object" && "alpha" in background ? 4 : 3;
  return sharp({ create: { width, height, channels, background } }).png().toBuffer();
}

/** Width, height and pixels of a file. */
export async function pixelsOf(file: Uint8Array): Promise<{ width: number; height: number; data: Buffer }> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** The mean difference of two pictures from one column on, up to another. */
export async function difference(one: Uint8Array, other: Uint8Array, from: number, to: number): Promise<number> {
  const [a, b] = await Promise.all([pixelsOf(one), pixelsOf(other)]);
  let sum = 0;
  for (let y = 0; y < a.height; y++) {
    const row = y * a.width;
    for (let i = (row + from) * 3; i < (row + to) * 3; i++) sum += Math.abs((a.data[i] ?? 0) - (b.data[i] ?? 0));
  }
  return sum / (a.height * (to - from) * 3);
}
