import { ArgumentError } from "../errors.js";
import type { DecodedImage } from "./pictures.js";

/** What a page has pictures in, besides files. */
export type PagePicture = ImageData | ImageBitmap | HTMLCanvasElement | OffscreenCanvas | HTMLImageElement;

/** Whether a value is a picture of a page. Outside of browsers only objects like ImageData can be. */
export function isPagePicture(value: object): value is PagePicture {
  return isImageData(value) || isDrawable(value);
}

/** The pixels of a picture of a page, with their opacity. @throws ArgumentError if they are of another origin, or if it has none. */
export function pixelsOf(source: PagePicture): DecodedImage {
  if (isImageData(source)) {
    const { width, height, data } = source;
    return { width, height, channels: 4, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  }
  // The width of an <img> is that on the page.
  const { naturalWidth: width = source.width, naturalHeight: height = source.height } = source as Partial<HTMLImageElement>;
  if (width === 0 || height === 0)
    throw new ArgumentError("the picture has no pixels", { hint: "wait until it is loaded; a closed ImageBitmap has none" });
  const canvas = new OffscreenCanvas(width, height);
  const context = contextOf(canvas);
  try {
    context.drawImage(source, 0, 0);
    return { width, height, channels: 4, data: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer) };
  } catch (cause) {
    throw new ArgumentError("the pixels of the picture cannot be read", {
      hint: 'a picture of another origin needs the header access-control-allow-origin, and crossorigin="anonymous" on its <img>',
      cause,
    });
  }
}

/** Opaque pixels as a page takes them. @throws ArgumentError outside of browsers. */
export function imageDataOf({ width, height, data }: Omit<DecodedImage, "channels">): ImageData {
  if (typeof ImageData === "undefined") {
    throw new ArgumentError("there is no ImageData outside of a browser", { hint: "data has the pixels, and encode writes a file" });
  }
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) for (let c = 0; c < 3; c++) pixels[i * 4 + c] = data[i * 3 + c] as number;
  return new ImageData(pixels, width, height);
}

/** Draws pixels on a canvas, which gets their size. Without a canvas, a new one is made. @throws ArgumentError outside of browsers. */
export function canvasOf<Canvas extends HTMLCanvasElement | OffscreenCanvas>(image: ImageData, given?: Canvas): Canvas {
  const made = typeof document === "undefined" ? new OffscreenCanvas(image.width, image.height) : document.createElement("canvas");
  const canvas = given ?? (made as Canvas);
  canvas.width = image.width;
  canvas.height = image.height;
  contextOf(canvas).putImageData(image, 0, 0);
  return canvas;
}

/** The context for drawing on a canvas. @throws ArgumentError if the browser gives none. */
export function contextOf(canvas: HTMLCanvasElement | OffscreenCanvas): CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D | null;
  if (context) return context;
  throw new ArgumentError("the canvas gives no 2D context", {
    hint: `it has one for WebGL or WebGPU, or is too large for the browser: ${canvas.width}x${canvas.height}`,
  });
}

/** With `channels`, it would be raw pixels of Darkroom's own kind. */
function isImageData(value: object): value is ImageData {
  return "width" in value && "height" in value && "data" in value && !("channels" in value) && value.data instanceof Uint8ClampedArray;
}

function isDrawable(value: object): boolean {
  const types = ["ImageBitmap", "HTMLCanvasElement", "OffscreenCanvas", "HTMLImageElement"];
  return types.some((name) => {
    const type = (globalThis as Readonly<Record<string, unknown>>)[name];
    return typeof type === "function" && value instanceof type;
  });
}
