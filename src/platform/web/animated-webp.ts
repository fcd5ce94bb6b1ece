import type { FrameOptions } from "../pictures.js";

/** Size of a frame in pixels. */
interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * An animated WebP file of frames of one size, each a WebP file with nothing but its pixels. Specification:
 * https://developers.google.com/speed/webp/docs/riff_container
 */
export function animatedWebp(frames: readonly Uint8Array[], size: Size, { delay, loop }: Omit<FrameOptions, "quality">): Uint8Array {
  const sides = [uint(size.width - 1, 3), uint(size.height - 1, 3)];
  // The flag of animations.
  const header = chunk("VP8X", uint(0x02, 4), ...sides);
  // The background is not seen: every frame covers it.
  const animation = chunk("ANIM", uint(0, 4), uint(loop, 2));
  // From the frame's top left corner on; it takes the place of the frame before.
  const shown = frames.map((frame) => chunk("ANMF", uint(0, 6), ...sides, uint(delay, 3), uint(0x02, 1), frame.subarray(12)));
  return chunk("RIFF", text("WEBP"), header, animation, ...shown);
}

/** A chunk of a RIFF file. Its contents have an even number of bytes. */
function chunk(name: string, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(8 + length);
  let at = 0;
  for (const part of [text(name), uint(length, 4), ...contents]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function text(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

/** A whole number of this many bytes, the lowest first. */
function uint(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
}
