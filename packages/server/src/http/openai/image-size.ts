import type { Size } from "../limits.js";
import { wrong } from "./image-fields.js";

/** Networks draw in blocks: sides are multiples of 8 for every family. */
const BLOCK = 8;

/** The size in OpenAI's field; undefined for "auto". @throws ArgumentError */
export function parseSize(value: unknown): Size | undefined {
  if (value === undefined || value === null || value === "" || value === "auto") return undefined;
  const [, width, height] = /^(\d{1,5})\s*[x×]\s*(\d{1,5})$/i.exec(String(value)) ?? [];
  if (width === undefined || height === undefined) throw wrong("size", value, "WIDTHxHEIGHT, such as 512x512, or auto");
  if (Number(width) < BLOCK || Number(height) < BLOCK) throw wrong("size", value, `sides of at least ${BLOCK} pixels`);
  return { width: Number(width), height: Number(height) };
}

/** The nearest size that networks can draw. */
export function drawable({ width, height }: Size): Size {
  const side = (pixels: number) => Math.max(BLOCK, Math.round(pixels / BLOCK) * BLOCK);
  return { width: side(width), height: side(height) };
}

/** A size with the shape of a picture and about as many pixels as the model was trained on. */
export function sizeLike({ width, height }: Size, modelSide: number): Size {
  const scale = modelSide / Math.sqrt(width * height);
  return drawable({ width: width * scale, height: height * scale });
}
