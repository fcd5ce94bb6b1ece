import { ArgumentError } from "darkroom";
import sharp from "sharp";

/** Nothing in a mask without light is meant to be repainted. JPEG makes black a little lighter. */
const DARKEST = 8;

/**
 * A mask of OpenAI's as ours. Theirs is transparent where the picture is repainted, ours is white there. A mask without transparency is
 * taken as ours: it could not mean anything otherwise.
 * @throws ArgumentError if it leaves nothing to repaint
 */
export async function maskOf(bytes: Uint8Array): Promise<Uint8Array> {
  const transparent = await ownMaskOf(bytes);
  if (transparent) return transparent;
  if ((await brightest(bytes)) >= DARKEST) return bytes;
  throw new ArgumentError("the mask leaves nothing to repaint: it has no transparent part, and no white one", {
    argument: "maskImage",
    hint: "make it transparent, or white, where the picture is to change",
  });
}

/**
 * The mask in a picture's own transparency, white where it is transparent, as OpenAI takes a picture without mask; undefined if there is
 * none.
 */
export async function ownMaskOf(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const picture = sharp(bytes);
  try {
    const { hasAlpha } = await picture.metadata();
    if (!hasAlpha || (await picture.stats()).isOpaque) return undefined;
    return await sharp(bytes).autoOrient().extractChannel("alpha").negate().png().toBuffer();
  } catch {
    // A file that is cut off. Who decodes it for the model says so.
    return undefined;
  }
}

async function brightest(bytes: Uint8Array): Promise<number> {
  try {
    const grey = await sharp(bytes).removeAlpha().greyscale().png().toBuffer();
    return (await sharp(grey).stats()).channels[0]?.max ?? 0;
  } catch {
    return DARKEST;
  }
}
