import { encodeImage, writeFileAtomically } from "#platform";
import { ArgumentError } from "../errors.js";
import { isPlain, wrongArgument } from "../given.js";
import { checkOptions, expectField } from "../options/check-options.js";
import { type Fields, field, flag, whole } from "../options/fields.js";
import { pageTurn } from "../page-turn.js";
import { canvasOf, imageDataOf } from "../platform/page-pictures.js";
import type { DType } from "../tensor/dtype.js";
import type { FloatDType } from "../tensor/random.js";
import { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { embedInJpeg, embedInWebp, LARGEST_JPEG_EXIF } from "./embed-exif.js";
import { writeExif } from "./exif.js";
import { PARAMETERS_KEYWORD } from "./parameters.js";
import { formatOfName, PICTURE_ENDINGS, PICTURE_FORMATS, type PictureFormat } from "./picture-format.js";
import { encodePng, encodePngAside } from "./png.js";

/** Options of `Picture.encode`. */
export interface EncodeOptions {
  /**
   * Texts for the file, such as `{ parameters: formatParameters(...) }`. PNG takes any keyword; JPEG and WebP take only `parameters`, which
   * is written as EXIF UserComment, as AUTOMATIC1111 does.
   */
  readonly text?: Readonly<Record<string, string>> | undefined;
  /** Quality of JPEG and WebP: a whole number from 1 (small file) to 100 (best picture); 90 by default. */
  readonly quality?: number | undefined;
}

/** Options of `Picture.save`. */
export interface SaveOptions extends EncodeOptions {
  /** Whether an existing file is replaced (default, as PIL does) or refused with an OutputError. */
  readonly overwrite?: boolean | undefined;
}

const ENCODE_FIELDS: Fields<EncodeOptions> = {
  text: field(
    (value) => isPlain(value) && Object.values(value).every((each) => typeof each === "string"),
    "an object of texts, such as { parameters }",
  ),
  quality: whole(1, 100),
};

const SAVE_FIELDS: Fields<SaveOptions> = { ...ENCODE_FIELDS, overwrite: flag };

/** The dtypes of tensors that `fromTensor` takes. */
const DTYPES: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "uint8"];

/** PIL and web UIs use 75 to 80. At 90 the loss is hard to see. */
const DEFAULT_QUALITY = 90;

const EXTENT = whole(1);

/** A finished picture: 8-bit RGB, row-major `[height, width, 3]`. */
export class Picture {
  /** @throws ArgumentError if `data` is not `height * width * 3` bytes. */
  constructor(
    /** Width in pixels. */
    readonly width: number,
    /** Height in pixels. */
    readonly height: number,
    /** The pixels row by row, three bytes each: red, green, blue. */
    readonly data: Uint8Array,
  ) {
    expectField("width", width, EXTENT);
    expectField("height", height, EXTENT);
    if (data?.length !== width * height * 3) {
      throw new ArgumentError(`a picture of ${width}x${height} needs ${width * height * 3} bytes; ${data?.length} were given`);
    }
  }

  /**
   * The picture of a tensor `[3, height, width]` or `[height, width, 3]`, or of a batch of one of either: floats in 0..1 (values outside
   * are clamped, with a warning if they are far outside) or uint8 in 0..255. If both the first and the last axis have extent 3, the first
   * one is taken as the channels. Floats are rounded as diffusers' `numpy_to_pil` rounds: times 255 in float32, ties to even.
   * @throws ArgumentError for another shape or dtype.
   */
  static fromTensor(tensor: Tensor<FloatDType | "uint8">): Picture {
    if (!(tensor instanceof Tensor) || !DTYPES.includes(tensor.dtype)) {
      throw wrongArgument("tensor", tensor, "a tensor of floats in 0..1 or uint8");
    }
    const image = tensor.dim() === 4 && tensor.shape[0] === 1 ? tensor.squeeze(0) : tensor;
    const isPlanar = image.dim() === 3 && image.shape[0] === 3;
    const [height = 0, width = 0, channels] = isPlanar ? [...image.shape.slice(1), 3] : image.shape;
    if (image.dim() !== 3 || channels !== 3) {
      throw new ArgumentError(
        `a picture needs a tensor of shape [3, height, width] or [height, width, 3], or a batch of one; found [${tensor.shape}]`,
        { argument: "tensor", hint: "slice(i, i + 1) gives picture i of a batch; concat([gray, gray, gray]) makes three channels of one" },
      );
    }
    if (image.dtype === "uint8") {
      const pixels = isPlanar ? image.permute(1, 2, 0) : image;
      return new Picture(width, height, Uint8Array.from(pixels.to("uint8").data));
    }
    const floats = image.to("float32");
    warnOfRange(floats);
    // Millions of numbers go through these loops while a page waits.
    const [perPixel, perChannel] = isPlanar ? [1, height * width] : [3, 1];
    // A clamped array rounds ties to even, as numpy's round does.
    const data = new Uint8ClampedArray(floats.size);
    for (let i = 0, at = 0; at < data.length; i += perPixel) {
      for (let c = 0; c < 3; c++) data[at++] = Math.fround((floats.data[i + c * perChannel] as number) * 255);
    }
    return new Picture(width, height, new Uint8Array(data.buffer));
  }

  /** The picture as a `[3, height, width]` tensor of values in 0..1. */
  toTensor(): Tensor {
    const plane = this.height * this.width;
    const values = new Float32Array(plane * 3);
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0; i < plane; i++) values[channel * plane + i] = (this.data[i * 3 + channel] as number) / 255;
    }
    return new Tensor("float32", [3, this.height, this.width], values);
  }

  /** The bytes of a PNG file, with `text` as its text chunks. */
  toPng(text: Readonly<Record<string, string>> = {}): Uint8Array {
    return encodePng(this, text);
  }

  /**
   * The bytes of an image file. JPEG and WebP are lossy.
   * @throws ArgumentError for an unknown format, a quality outside 1..100 or with PNG, a text that the format does not take, or a picture
   * that is too large for the format (JPEG 65535 pixels a side, WebP 16383).
   */
  async encode(format: PictureFormat, options: EncodeOptions = {}): Promise<Uint8Array> {
    const { text = {}, quality } = checkOptions(options, ENCODE_FIELDS, { call: "encode" });
    if (!PICTURE_FORMATS.includes(format)) {
      throw wrongArgument("format", format, `one of ${PICTURE_FORMATS.join(", ")}`, { type: "string" });
    }
    if (format === "png") {
      if (quality === undefined) return encodePngAside(this, text);
      throw new ArgumentError("quality was given for PNG, which is lossless; it applies to JPEG and WebP", { argument: "quality" });
    }
    const { [PARAMETERS_KEYWORD]: parameters, ...others } = text;
    const [foreign] = Object.keys(others);
    if (foreign !== undefined) {
      throw new ArgumentError(`text has the keyword ${JSON.stringify(foreign)}; a ${format} file takes only "${PARAMETERS_KEYWORD}"`, {
        argument: "text",
        hint: "PNG takes any keyword",
      });
    }
    const file = await encodeImage(this, format, quality ?? DEFAULT_QUALITY);
    if (parameters === undefined) return file;
    const exif = writeExif(parameters);
    if (format === "webp") return embedInWebp(file, exif, this);
    if (exif.length <= LARGEST_JPEG_EXIF) return embedInJpeg(file, exif);
    warn(`the settings take ${exif.length} bytes, but a JPEG file has room for ${LARGEST_JPEG_EXIF}; the file is written without them`);
    return file;
  }

  /**
   * The image file as a `Blob`, for a page: to show it, upload it or let the user save it. PNG by default. Options and errors are those of
   * {@link encode}.
   */
  async toBlob(format: PictureFormat = "png", options: EncodeOptions = {}): Promise<Blob> {
    return new Blob([(await this.encode(format, options)) as Uint8Array<ArrayBuffer>], { type: `image/${format}` });
  }

  /** The pixels as a page's `ImageData`. @throws ArgumentError outside of a browser. */
  toImageData(): ImageData {
    return imageDataOf(this);
  }

  /**
   * Draws the picture on `canvas`, which gets the picture's size; by default on a new `<canvas>`. In a worker, give it an
   * `OffscreenCanvas`. Returns the canvas.
   * @throws ArgumentError outside of a browser, or if the canvas has another context than "2d".
   */
  toCanvas(): HTMLCanvasElement;
  toCanvas<Canvas extends HTMLCanvasElement | OffscreenCanvas>(canvas: Canvas): Canvas;
  toCanvas(canvas?: HTMLCanvasElement | OffscreenCanvas): HTMLCanvasElement | OffscreenCanvas {
    return canvasOf(this.toImageData(), canvas);
  }

  /**
   * Writes an image file in the format of the name's ending: `.png`, `.jpg`, `.jpeg` or `.webp`. The write is atomic: the file is complete,
   * or does not appear.
   * @throws ArgumentError for another ending, and as {@link encode} does.
   * @throws OutputError if the file cannot be written, or exists and `overwrite` is false.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    if (typeof path !== "string") throw wrongArgument("path", path, "the name of a file, such as fox.png");
    const { overwrite = true, ...encoding } = checkOptions(options, SAVE_FIELDS, { call: "save" });
    const format = formatOfName(path);
    if (!format) {
      throw new ArgumentError(`cannot tell the picture format of ${path}; supported names end in ${PICTURE_ENDINGS}`, {
        hint: `give a name such as ${path.replace(/\.[^./\\]*$/, "")}.png`,
      });
    }
    await writeFileAtomically(path, await this.encode(format, encoding), { overwrite });
  }
}

/** The pictures of a batch [batch, 3, height, width] of values in 0..1. */
export async function pictures(batch: Tensor): Promise<Picture[]> {
  const made: Picture[] = [];
  for (let i = 0; i < (batch.shape[0] ?? 0); i++) {
    await pageTurn();
    made.push(Picture.fromTensor(batch.slice(i, i + 1)));
  }
  return made;
}

/** A value further outside 0..1 than this belongs to another range. Networks overshoot by less. */
const OVERSHOOT = 0.5;

function warnOfRange({ data }: Tensor): void {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < data.length; i++) {
    low = Math.min(low, data[i] as number);
    high = Math.max(high, data[i] as number);
  }
  if (low >= -OVERSHOOT && high <= 1 + OVERSHOOT) return;
  if (Number.isNaN(low)) {
    warn("a picture is made from values that include NaN; these pixels are black");
    return;
  }
  const way = high > 2 ? 'for 0..255 use x.to("uint8")' : "for -1..1, as autoencoders give it, use x.div(2).add(0.5)";
  warn(`a picture is made from values between ${low.toPrecision(3)} and ${high.toPrecision(3)}; floats outside 0..1 are clamped (${way})`);
}
