import { decode, encode } from "fast-png";

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * A mask that is white where the picture is repainted. A PNG with transparent parts is taken as OpenAI's models take it: it is repainted
 * where it is transparent. Other masks are white there already.
 */
export function repaintMask(bytes: Uint8Array): Uint8Array {
  // The byte of the header that says which channels there are: 4 and 6 have transparency.
  const colorType = bytes[25];
  if (!PNG.every((byte, i) => bytes[i] === byte) || (colorType !== 4 && colorType !== 6)) return bytes;
  const { width, height, data, channels, depth } = decode(bytes);
  const opaque = 2 ** depth - 1;
  const gray = new Uint8Array(width * height);
  let isTransparent = false;
  for (let i = 0; i < gray.length; i++) {
    const alpha = data[i * channels + channels - 1] ?? opaque;
    if (alpha < opaque) isTransparent = true;
    gray[i] = 255 - Math.round((alpha / opaque) * 255);
  }
  return isTransparent ? encode({ width, height, data: gray, channels: 1, depth: 8 }) : bytes;
}
