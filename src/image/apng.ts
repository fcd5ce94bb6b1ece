import { join } from "./bytes.js";
import { encodePng, type Pixels, readChunks, SIGNATURE, writeChunk } from "./png.js";

// Specification: https://www.w3.org/TR/png-3/#apng-frame-based-animation. The frames' pixels are compressed as PNG files; the chunks around
// them are written here.

/**
 * An animated PNG file of frames of one size. Programs that do not know animations show the first one.
 * @param delay milliseconds that each frame is shown.
 * @param loop how often the animation is shown; 0 for ever.
 */
export function encodeApng(frames: readonly Pixels[], delay: number, loop: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let sequence = 0;
  for (const [index, frame] of frames.entries()) {
    for (const { type, data } of readChunks(encodePng(frame))) {
      if (type === "IHDR") {
        if (index === 0) chunks.push(writeChunk({ type, data }), writeChunk({ type: "acTL", data: numbers(frames.length, loop) }));
        chunks.push(writeChunk({ type: "fcTL", data: frameControl(sequence++, frame, delay) }));
      } else if (type === "IDAT") {
        chunks.push(writeChunk(index === 0 ? { type, data } : { type: "fdAT", data: join([numbers(sequence++), data]) }));
      }
    }
  }
  return join([SIGNATURE, ...chunks, writeChunk({ type: "IEND", data: new Uint8Array() })]);
}

/** Size, place (0, 0) and duration of a frame, which replaces the one before it. */
function frameControl(sequence: number, { width, height }: Pixels, delay: number): Uint8Array {
  const time = new DataView(new ArrayBuffer(6));
  time.setUint16(0, delay);
  time.setUint16(2, 1000);
  return join([numbers(sequence, width, height, 0, 0), new Uint8Array(time.buffer)]);
}

function numbers(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value);
  return new Uint8Array(view.buffer);
}
