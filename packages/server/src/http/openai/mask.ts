import sharp from "sharp";

/**
 * A mask of OpenAI's as ours. Theirs is transparent where the picture is repainted, ours is white there. A mask without transparency is
 * taken as ours: it could not mean anything otherwise.
 */
export async function maskOf(bytes: Uint8Array): Promise<Uint8Array> {
  const mask = sharp(bytes);
  const { hasAlpha } = await mask.metadata();
  if (!hasAlpha) return bytes;
  const { isOpaque } = await mask.stats();
  return isOpaque ? bytes : sharp(bytes).autoOrient().extractChannel("alpha").negate().png().toBuffer();
}
