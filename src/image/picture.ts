import { writeFileAtomically } from "#platform";
import { ArgumentError } from "../errors.js";
import type { DType } from "../tensor/dtype.js";
import type { FloatDType } from "../tensor/random.js";
import { Tensor } from "../tensor/tensor.js";
import { encodePng } from "./png.js";

/** How `Picture.save` writes. */
export interface SaveOptions {
  /** Text chunks for the file, such as `{ parameters: formatParameters(...) }`. */
  readonly text?: Readonly<Record<string, string>>;
  /** Whether an existing file is replaced (default, as PIL does) or refused with an OutputError. */
  readonly overwrite?: boolean;
}

/** The dtypes that pictures are made from. */
const DTYPES: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "uint8"];

/** A finished picture: 8-bit RGB, row-major `[height, width, 3]`. */
export class Picture {
  /** @throws ArgumentError if `data` is not `height * width * 3` bytes. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly data: Uint8Array,
  ) {
    const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
    if (!whole || data.length !== width * height * 3) {
      throw new ArgumentError(`a picture of ${width}x${height} needs ${width * height * 3} bytes; ${data.length} were given`);
    }
  }

  /**
   * The picture of a tensor `[3, height, width]` or `[height, width, 3]`, or of a batch of one of either: floats in 0..1 (values outside are clamped)
   * or uint8 in 0..255. Where the first and the last axis both have extent 3, the first one is the channels; `permute` makes it so.
   * Floats are rounded as diffusers' `numpy_to_pil` rounds: times 255 in float32, ties to even.
   * @throws ArgumentError for another shape or dtype.
   */
  static fromTensor(tensor: Tensor<FloatDType | "uint8">): Picture {
    if (!(tensor instanceof Tensor) || !DTYPES.includes(tensor.dtype)) {
      const found = tensor instanceof Tensor ? `a tensor of ${tensor.dtype}` : String(tensor);
      throw new ArgumentError(`a picture needs a tensor of floats in 0..1 or uint8; found ${found}`, { argument: "tensor" });
    }
    const image = tensor.dim() === 4 && tensor.shape[0] === 1 ? tensor.squeeze(0) : tensor;
    const pixels = image.dim() === 3 && image.shape[0] === 3 ? image.permute(1, 2, 0) : image;
    const [height = 0, width = 0, channels] = pixels.shape;
    if (pixels.dim() !== 3 || channels !== 3) {
      throw new ArgumentError(
        `a picture needs a tensor of shape [3, height, width] or [height, width, 3], or a batch of one; found [${tensor.shape}]`,
        { argument: "tensor", hint: "of a batch, slice(i, i + 1) is picture i; a channel becomes three by concat([gray, gray, gray])" },
      );
    }
    if (pixels.dtype === "uint8") return new Picture(width, height, Uint8Array.from(pixels.to("uint8").data));
    // A clamped array rounds ties to even, as numpy's round does.
    const data = new Uint8ClampedArray(pixels.to("float32").mul(255).data);
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
   * Writes a PNG file. The file appears whole or not at all, whatever interrupts the writing.
   * @throws ArgumentError if the name does not end in `.png`.
   * @throws OutputError if the file cannot be written, or exists and `overwrite` is false.
   */
  async save(path: string, { text, overwrite = true }: SaveOptions = {}): Promise<void> {
    if (!/\.png$/i.test(path)) {
      throw new ArgumentError(`cannot tell the picture format of ${path}; supported names end in .png`, {
        hint: `give a name such as ${path.replace(/\.[^./\\]*$/, "")}.png`,
      });
    }
    await writeFileAtomically(path, this.toPng(text), { overwrite });
  }
}

/** The pictures of a batch [batch, 3, height, width] of values in 0..1. */
export function pictures(batch: Tensor): Picture[] {
  return Array.from({ length: batch.shape[0] ?? 0 }, (_, i) => Picture.fromTensor(batch.slice(i, i + 1)));
}
