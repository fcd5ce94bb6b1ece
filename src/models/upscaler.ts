import * as v from "valibot";
import { count, depth, whole as wholeNumber } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import type { Scope } from "../graph/scope.js";
import { expectFile } from "../hub/find-source.js";
import { openUpscaler } from "../hub/open-upscaler.js";
import { type AnyPicture, toRgb } from "../image/gray-picture.js";
import { Picture } from "../image/picture.js";
import { mirrored } from "../image/tile-grid.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, whole } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { MODEL_FIELDS, Model, type ModelOptions, openModel, type SingleFileModelOptions } from "./model.js";
import { crop } from "./tiling.js";
import { upscaledTiles } from "./upscaled-tiles.js";
import { compactNet, rrdbNet } from "./upscaler-networks.js";

const schema = v.object({
  /** "ESRGAN" or "RealESRGAN Compact". */
  architecture: v.picklist(["ESRGAN", "RealESRGAN Compact"]),
  /** Channels of the features. */
  features: count,
  /** Channels that each convolution of a dense block adds; for ESRGAN. */
  growth: v.nullish(count, 32),
  /** Residual blocks of ESRGAN; convolutions with an activation of RealESRGAN Compact. */
  blocks: depth,
  /** How often ESRGAN doubles the features' sides. */
  doublings: v.nullish(wholeNumber(0, 5), 0),
  /** Sides of the squares of pixels that ESRGAN takes as channels: 1, 2 or 4. */
  unshuffle: v.nullish(wholeNumber(1, 4), 1),
  /** The scale of RealESRGAN Compact. */
  scale: v.nullish(wholeNumber(1, 16), 1),
});

/** An upscaler's config, from the shapes of its tensors. @interface */
export type UpscalerConfig = v.InferOutput<typeof schema>;

/** Options of {@link Upscaler.upscale}. */
export interface UpscaleOptions {
  /** Side in pixels of the square parts that are upscaled one after another; 512 by default. 0 upscales the picture as a whole. */
  readonly tile?: number | undefined;
  /** Pixels that neighbouring tiles share, over which they fade into each other; 32 by default. */
  readonly overlap?: number | undefined;
  /** Stops between two tiles. */
  readonly signal?: AbortSignal | undefined;
}

const UPSCALE_FIELDS: Fields<UpscaleOptions> = {
  tile: whole(0),
  overlap: whole(0),
  signal: field<AbortSignal>((value) => value instanceof AbortSignal, "an AbortSignal"),
};

/** How to open an upscaler's file. */
export type UpscalerOptions = Omit<SingleFileModelOptions, "config" | "subfolder">;

/**
 * A network that makes pictures larger: ESRGAN (RRDBNet; Wang et al. 2018; Real-ESRGAN and BSRGAN, too) or RealESRGAN Compact
 * (SRVGGNetCompact). Gives the same pixels as spandrel in Python.
 */
export class Upscaler extends Model<UpscalerConfig> {
  /** Opens a folder that `savePretrained` wrote. @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<Upscaler> {
    return new Upscaler(await openModel("Upscaler", schema, source, options));
  }

  /**
   * Opens the upscaler of a `.safetensors` file: a path, or the address of a file on the hub. The shapes of its tensors show its config.
   * @throws CheckpointError if it is something else; ConfigError if Darkroom does not run it; DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: UpscalerOptions = {}): Promise<Upscaler> {
    const source = await expectFile(path);
    const { variant: _, config: __, subfolder: ___, ...fields } = MODEL_FIELDS;
    const checked = checkOptions<UpscalerOptions>(options, fields, { call: "Upscaler.fromSingleFile" });
    const {
      engine: _engine,
      device: _device,
      deviceId: _id,
      lowMemory: _low,
      precision: _precision,
      onLoadProgress: _on,
      ...from
    } = checked;
    return Upscaler.fromPretrained(await openUpscaler(source, from), checked);
  }

  /** How many times as wide and as high its pictures are: 1, 2, 4, ... */
  get scale(): number {
    const { architecture, doublings, unshuffle, scale } = this.config;
    return architecture === "ESRGAN" ? 2 ** doublings / unshuffle : scale;
  }

  /**
   * Pictures [batch, 3, height * scale, width * scale] of `pixels` [batch, 3, height, width] in 0..1. The result is not clamped. Sides that
   * are no multiple of the network's squares of pixels are continued by reflection, and the result is cropped.
   * @throws ArgumentError if the shape is wrong.
   */
  async forward(pixels: Tensor): Promise<Tensor> {
    expectShape("pixels", pixels, ["batch", 3, "height", "width"]);
    return this.cropped(pixels, await this.compute(reflected(pixels, this.multiple)));
  }

  /**
   * The picture, larger by {@link scale}. A large picture is upscaled in tiles, which need less memory; no seams show if the overlap is as
   * large as what the network sees around a pixel.
   * @throws ArgumentError for wrong options; the signal's reason
   */
  async upscale(picture: AnyPicture, options: UpscaleOptions = {}): Promise<Picture> {
    const { tile = 512, overlap = 32, signal } = checkOptions(options, UPSCALE_FIELDS, { call: "upscale" });
    if (tile > 0 && overlap >= tile) {
      throw new ArgumentError(`overlap is ${overlap}, and tiles have ${tile} pixels a side; the overlap must be smaller`, {
        argument: "overlap",
      });
    }
    const pixels = toRgb(picture).toTensor().unsqueeze(0);
    const whole = reflected(pixels, this.multiple);
    const { multiple, scale } = this;
    const one = (part: Tensor) => {
      signal?.throwIfAborted();
      return this.compute(part);
    };
    const result = await this.together(() => (tile === 0 ? one(whole) : upscaledTiles(whole, { tile, overlap, multiple, scale }, one)));
    return Picture.fromTensor(this.cropped(pixels, result).clamp(0, 1));
  }

  /** Both sides of what the network takes are multiples of it. */
  private get multiple(): number {
    return this.config.unshuffle;
  }

  private async compute(pixels: Tensor): Promise<Tensor> {
    const build = async ({ pixels: x }: { readonly pixels: Value }, w: Scope) => ({
      result: await (this.config.architecture === "ESRGAN" ? rrdbNet : compactNet)(x, w, this.config),
    });
    return (await this.run("upscaler", { pixels }, build)).result;
  }

  /** The part of `result` that belongs to `pixels`. */
  private cropped(pixels: Tensor, result: Tensor): Tensor {
    const [, , height = 0, width = 0] = pixels.shape;
    return crop(result, 0, 0, height * this.scale, width * this.scale);
  }
}

/** x [batch, channels, height, width] continued by reflection at the right and below, to sides that are multiples of `multiple`. */
function reflected(x: Tensor, multiple: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [tall, wide] = [Math.ceil(height / multiple) * multiple, Math.ceil(width / multiple) * multiple];
  if (tall === height && wide === width) return x;
  const data = new Float32Array(batch * channels * tall * wide);
  for (let i = 0; i < data.length; i++) {
    const line = Math.floor(i / wide);
    const from = Math.floor(line / tall) * height + mirrored(line % tall, height);
    data[i] = x.data[from * width + mirrored(i % wide, width)] as number;
  }
  return new Tensor("float32", [batch, channels, tall, wide], data);
}
