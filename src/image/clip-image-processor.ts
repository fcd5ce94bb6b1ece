import * as v from "valibot";
import { readConfig } from "../checkpoint/config.js";
import type { JsonObject } from "../checkpoint/json.js";
import { openPart, PART_FIELDS, type PartOptions } from "../checkpoint/open-part.js";
import { writeTo } from "../checkpoint/saving.js";
import { CHECKPOINT_HINT, parseConfig, side } from "../checkpoint/schema.js";
import { jsonBytes, snakeCaseKeys } from "../checkpoint/write-json.js";
import { checkOptions, expectField } from "../options/check-options.js";
import { type Fields, instanceOf, oneOf } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { crop, paste } from "./crop.js";
import { pixelsOf } from "./normalized-pixels.js";
import { Picture } from "./picture.js";
import { RESAMPLINGS_BY_NUMBER, resize } from "./resize.js";

const size = v.object({
  /** Pixels. */
  height: side,
  /** Pixels. */
  width: side,
});

const schema = v.object({
  /** Resize pictures to `size`; true by default. */
  doResize: v.nullish(v.boolean(), true),
  /**
   * Length of the shorter side, or height and width, in pixels; one number is the shorter side (files of transformers before 4.20 have it);
   * 224 by default.
   */
  size: v.nullish(
    v.union([
      side,
      v.object({
        /** Pixels. */
        shortestEdge: side,
      }),
      size,
    ]),
    { shortestEdge: 224 },
  ),
  /** PIL's number of the filter: 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming; 3 by default. */
  resample: v.nullish(v.picklist([0, 1, 2, 3, 4, 5]), 3),
  /** Crop to the centre; true by default. */
  doCenterCrop: v.nullish(v.boolean(), true),
  /** Size of the crop in pixels; 224 x 224 by default. */
  cropSize: v.nullish(v.union([side, size]), { height: 224, width: 224 }),
  /** Multiply pixels by `rescaleFactor`; true by default. */
  doRescale: v.nullish(v.boolean(), true),
  /** The factor of pixels 0..255; 1/255 by default. */
  rescaleFactor: v.nullish(v.number(), 1 / 255),
  /** Subtract `imageMean` and divide by `imageStd`; true by default. */
  doNormalize: v.nullish(v.boolean(), true),
  // The means and deviations of OpenAI's training pictures.
  /** Mean of each channel; by default that of CLIP's training pictures. */
  imageMean: v.nullish(v.array(v.number()), [0.48145466, 0.4578275, 0.40821073]),
  /** Standard deviation of each channel; by default that of CLIP's training pictures. */
  imageStd: v.nullish(v.array(v.number()), [0.26862954, 0.26130258, 0.27577711]),
});

const PICTURE = instanceOf(Picture);

/** Options of {@link CLIPImageProcessor.preprocess}. */
export interface CLIPPreprocessOptions {
  /**
   * Which of transformers' two processors is matched: "pil" (CLIPImageProcessorPil), the default, or "torchvision" (CLIPImageProcessor
   * where torchvision is installed). Some pixels differ by 1 of 255.
   */
  readonly backend?: "pil" | "torchvision" | undefined;
}

const PREPROCESS_FIELDS: Fields<CLIPPreprocessOptions> = { backend: oneOf("pil", "torchvision") };

/** `preprocessor_config.json` of a CLIPImageProcessor, with transformers' defaults. @interface */
export type CLIPImageProcessorConfig = v.InferOutput<typeof schema>;

/**
 * Turns pictures into the input of CLIP's image encoder. Gives the same pixels as transformers' CLIPImageProcessor with PIL
 * (CLIPImageProcessorPil).
 */
export class CLIPImageProcessor {
  /** The class's name in transformers. */
  readonly className = "CLIPImageProcessor";
  /** The settings, with defaults filled in. */
  readonly config: CLIPImageProcessorConfig;

  /** @throws ConfigError */
  constructor(config: v.InferInput<typeof schema> = {}) {
    this.config = parseConfig("CLIPImageProcessor", schema, config);
  }

  /** @throws CheckpointError, ConfigError */
  static async fromPretrained(source: string | Folder, options: PartOptions = {}): Promise<CLIPImageProcessor> {
    const folder = await openPart(
      source,
      checkOptions(options, PART_FIELDS, { call: "CLIPImageProcessor.fromPretrained" }),
      "processor",
      "CLIPImageProcessor",
    );
    const json = await readConfig(folder, "preprocessor_config.json");
    return new CLIPImageProcessor(parseConfig(`${folder.name}/preprocessor_config.json`, schema, json, CHECKPOINT_HINT));
  }

  /**
   * Saves the settings as `preprocessor_config.json` in `folder`. `fromPretrained` and transformers open it.
   * @throws OutputError if it cannot be written.
   */
  async savePretrained(folder: string): Promise<void> {
    await writeTo(folder, (output) => this.saveTo(output));
  }

  /** Writes the file of {@link savePretrained}. @internal */
  async saveTo(output: OutputFolder): Promise<void> {
    const fields = snakeCaseKeys(this.config as JsonObject);
    await output.write("preprocessor_config.json", jsonBytes({ ...fields, do_convert_rgb: true, image_processor_type: this.className }));
  }

  /**
   * The batch [batch, 3, height, width] of pictures: resized, cut to the middle, normalised. @throws ArgumentError for pictures whose
   * results differ in size.
   */
  preprocess(images: Picture | readonly Picture[], options: CLIPPreprocessOptions = {}): Tensor {
    const { backend = "pil" } = checkOptions(options, PREPROCESS_FIELDS, { call: "preprocess" });
    return concat([images].flat().map((picture) => this.one(picture as Picture, backend === "torchvision")));
  }

  private one(picture: Picture, isTorch: boolean): Tensor {
    expectField("images", picture, PICTURE);
    const { doResize, doCenterCrop, cropSize, resample } = this.config;
    let result = picture;
    const resizing = { resampling: RESAMPLINGS_BY_NUMBER[resample] ?? "bicubic", arithmetic: isTorch ? "torch" : "pil" } as const;
    if (doResize) result = resize(result, ...this.resizedSize(picture), resizing);
    if (doCenterCrop) result = centerCrop(result, typeof cropSize === "number" ? { height: cropSize, width: cropSize } : cropSize);
    return new Tensor("float32", [1, 3, result.height, result.width], pixelsOf(result, this.config, isTorch));
  }

  private resizedSize({ width, height }: Picture): [width: number, height: number] {
    const { size } = this.config;
    if (typeof size === "object" && "height" in size) return [size.width, size.height];
    const edge = typeof size === "number" ? size : size.shortestEdge;
    return width <= height ? [edge, Math.trunc((edge * height) / width)] : [Math.trunc((edge * width) / height), edge];
  }
}

/** The middle of a picture, with black around it if the picture is too small. */
function centerCrop(picture: Picture, { width, height }: { readonly width: number; readonly height: number }): Picture {
  const [wide, high] = [Math.max(width, picture.width), Math.max(height, picture.height)];
  const left = Math.floor((picture.width - width) / 2);
  const top = Math.floor((picture.height - height) / 2);
  if (wide === picture.width && high === picture.height) return crop(picture, [left, top, left + width, top + height]);
  const canvas = new Picture(wide, high, new Uint8Array(wide * high * 3));
  const [before, above] = [Math.ceil((wide - picture.width) / 2), Math.ceil((high - picture.height) / 2)];
  const padded = paste(canvas, picture, before, above);
  return crop(padded, [left + before, top + above, left + before + width, top + above + height]);
}
