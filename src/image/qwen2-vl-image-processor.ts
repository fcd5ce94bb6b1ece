import * as v from "valibot";
import { readConfig } from "../checkpoint/config.js";
import type { JsonObject } from "../checkpoint/json.js";
import { openPart, PART_FIELDS, type PartOptions } from "../checkpoint/open-part.js";
import { writeTo } from "../checkpoint/saving.js";
import { CHECKPOINT_HINT, count, parseConfig } from "../checkpoint/schema.js";
import { jsonBytes, snakeCaseKeys } from "../checkpoint/write-json.js";
import { ArgumentError } from "../errors.js";
import { checkOptions, expectField } from "../options/check-options.js";
import { instanceOf } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { halfToEven } from "./half-to-even.js";
import { pixelsOf } from "./normalized-pixels.js";
import { Picture } from "./picture.js";
import { RESAMPLINGS_BY_NUMBER, resize } from "./resize.js";

const pixels = v.pipe(
  v.number(),
  v.check((value) => Number.isInteger(value) && value >= 1 && value <= 2 ** 31, "a number of pixels"),
);

const schema = v.object({
  /** Resize pictures; true by default. */
  doResize: v.nullish(v.boolean(), true),
  /** The fewest pixels of a picture; a smaller one is enlarged. It goes before `size.shortestEdge`. */
  minPixels: v.nullish(pixels),
  /** The most pixels of a picture; a larger one is made smaller. It goes before `size.longestEdge`. */
  maxPixels: v.nullish(pixels),
  /** The fewest and the most pixels of a picture, under transformers' names; 3136 and 1003520 by default. */
  size: v.nullish(
    v.object({
      /** The fewest pixels. */
      shortestEdge: v.nullish(pixels, 56 * 56),
      /** The most pixels. */
      longestEdge: v.nullish(pixels, 28 * 28 * 1280),
    }),
    {},
  ),
  /** PIL's number of the filter: 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming; 3 by default. */
  resample: v.nullish(v.picklist([0, 1, 2, 3, 4, 5]), 3),
  /** Multiply pixels by `rescaleFactor`; true by default. */
  doRescale: v.nullish(v.boolean(), true),
  /** The factor of pixels 0..255; 1/255 by default. */
  rescaleFactor: v.nullish(v.number(), 1 / 255),
  /** Subtract `imageMean` and divide by `imageStd`; true by default. */
  doNormalize: v.nullish(v.boolean(), true),
  /** Mean of each channel; by default that of CLIP's training pictures. */
  imageMean: v.nullish(v.array(v.number()), [0.48145466, 0.4578275, 0.40821073]),
  /** Standard deviation of each channel; by default that of CLIP's training pictures. */
  imageStd: v.nullish(v.array(v.number()), [0.26862954, 0.26130258, 0.27577711]),
  /** Height and width of a patch in pixels; 14 by default. */
  patchSize: v.nullish(count, 14),
  /** Frames of a patch; a picture is repeated. 2 by default. */
  temporalPatchSize: v.nullish(count, 2),
  /** Patches on a side of the square that becomes one token; 2 by default. */
  mergeSize: v.nullish(count, 2),
});

/** `preprocessor_config.json` of a Qwen2VLImageProcessor, with transformers' defaults. @interface */
export type Qwen2VLImageProcessorConfig = v.InferOutput<typeof schema>;

/** Pictures as patches. */
export interface PicturePatches {
  /** [patches, numbers of a patch], one picture after another. */
  readonly pixelValues: Tensor;
  /** int64 [pictures, 3]: frames, rows and columns of each picture's patches. */
  readonly imageGridThw: Tensor<"int64">;
}

const PICTURE = instanceOf(Picture);
/** A picture that is more often as long as wide is refused. */
const LARGEST_RATIO = 200;

/**
 * Makes pictures ready for Qwen2.5-VL: sides in multiples of a token's side and as many pixels as it can take, normalised, in patches.
 * Matches transformers' Qwen2VLImageProcessor with torchvision.
 */
export class Qwen2VLImageProcessor {
  /** The class's name in transformers. */
  readonly className = "Qwen2VLImageProcessor";
  /** The settings, with defaults filled in. */
  readonly config: Qwen2VLImageProcessorConfig;

  /** @throws ConfigError */
  constructor(config: v.InferInput<typeof schema> = {}) {
    this.config = parseConfig("Qwen2VLImageProcessor", schema, config);
  }

  /** @throws CheckpointError, ConfigError */
  static async fromPretrained(source: string | Folder, options: PartOptions = {}): Promise<Qwen2VLImageProcessor> {
    const call = "Qwen2VLImageProcessor.fromPretrained";
    const folder = await openPart(source, checkOptions(options, PART_FIELDS, { call }), "processor", "Qwen2VLImageProcessor");
    const json = await readConfig(folder, "preprocessor_config.json");
    return new Qwen2VLImageProcessor(parseConfig(`${folder.name}/preprocessor_config.json`, schema, json, CHECKPOINT_HINT));
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

  /** The patches of pictures. @throws ArgumentError for a picture that is more than 200 times as long as wide. */
  preprocess(images: Picture | readonly Picture[]): PicturePatches {
    const made = [images].flat().map((picture) => this.one(picture as Picture));
    const grids = made.flatMap(({ grid }) => grid);
    return {
      pixelValues: concat(made.map(({ patches }) => patches)),
      imageGridThw: new Tensor("int64", [made.length, 3], BigInt64Array.from(grids, BigInt)),
    };
  }

  private one(picture: Picture): { readonly patches: Tensor; readonly grid: readonly number[] } {
    expectField("images", picture, PICTURE);
    const { doResize, resample, patchSize: side, mergeSize: merge, temporalPatchSize: frames } = this.config;
    const resampling = RESAMPLINGS_BY_NUMBER[resample] ?? "bicubic";
    const resized = doResize ? resize(picture, ...this.sizeFor(picture), { resampling, arithmetic: "torch" }) : picture;
    const { width, height } = resized;
    if (width % (side * merge) !== 0 || height % (side * merge) !== 0) {
      throw new ArgumentError(`a picture is ${width} x ${height}; without doResize, sides must be multiples of ${side * merge}`);
    }
    const plane = pixelsOf(resized, this.config, true);
    const [rows, columns] = [height / side, width / side];
    const numbers = 3 * frames * side * side;
    const patches = new Float32Array(rows * columns * numbers);
    let at = 0;
    // Squares of patches that become one token are neighbours.
    for (const [row, column] of squaresOf(rows, columns, merge)) {
      for (let channel = 0; channel < 3; channel++) {
        for (let frame = 0; frame < frames; frame++) {
          for (let y = 0; y < side; y++) {
            const start = (channel * height + row * side + y) * width + column * side;
            patches.set(plane.subarray(start, start + side), at);
            at += side;
          }
        }
      }
    }
    return { patches: Tensor.from(patches, [rows * columns, numbers]), grid: [1, rows, columns] };
  }

  /** The size nearest to the picture's whose sides are multiples of a token's, with a number of pixels that is allowed. */
  private sizeFor({ width, height }: Picture): [width: number, height: number] {
    const { patchSize, mergeSize, size, minPixels, maxPixels } = this.config;
    const ratio = Math.max(width, height) / Math.min(width, height);
    if (ratio > LARGEST_RATIO) {
      throw new ArgumentError(`a picture is ${width} x ${height}; expected a side at most ${LARGEST_RATIO} times as long as the other`, {
        argument: "images",
      });
    }
    const [least, most] = [minPixels ?? size.shortestEdge ?? 56 * 56, maxPixels ?? size.longestEdge ?? 28 * 28 * 1280];
    const factor = patchSize * mergeSize;
    const [wide, high] = [halfToEven(width / factor) * factor, halfToEven(height / factor) * factor];
    if (wide * high > most) {
      const shrink = Math.sqrt((height * width) / most);
      const side = (length: number) => Math.max(factor, Math.floor(length / shrink / factor) * factor);
      return [side(width), side(height)];
    }
    if (wide * high >= least) return [wide, high];
    const grow = Math.sqrt(least / (height * width));
    const side = (length: number) => Math.ceil((length * grow) / factor) * factor;
    return [side(width), side(height)];
  }
}

/** Rows and columns of patches, square by square of `merge` patches a side. */
function* squaresOf(rows: number, columns: number, merge: number): Generator<readonly [row: number, column: number]> {
  for (let top = 0; top < rows; top += merge) {
    for (let left = 0; left < columns; left += merge) {
      for (let i = 0; i < merge * merge; i++) yield [top + Math.floor(i / merge), left + (i % merge)];
    }
  }
}
