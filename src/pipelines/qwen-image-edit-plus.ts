import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { QWEN_IMAGE_EDIT } from "../families/qwen-image.js";
import { halfToEven } from "../image/half-to-even.js";
import { Picture } from "../image/picture.js";
import { Qwen2VLImageProcessor } from "../image/qwen2-vl-image-processor.js";
import { VaeImageProcessor } from "../image/vae-image-processor.js";
import { retrieveLatents } from "../models/autoencoder.js";
import type { ImageShape } from "../models/qwen-image-transformer.js";
import { type Fields, instanceOf, needed, orNull } from "../options/fields.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import { type Prompted, promptCount } from "./prompt/prompt-options.js";
import { QwenImageEditTextEncoders, type QwenImageFeatures } from "./prompt/qwen-image.js";
import {
  loadQwenImage,
  QWEN_IMAGE_FIELDS,
  QWEN_IMAGE_PARTS,
  QwenImageBase,
  type QwenImageComponents,
  type QwenImageRequest,
  type References,
} from "./qwen-image-base.js";
import type { Size } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, part } from "./shared/components.js";
import { type ImageInput, imageInput, loadImages } from "./shared/image-inputs.js";
import { repeatToBatch, scaleLatents } from "./shared/latents.js";
import { expectVae } from "./shared/missing-parts.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";

/** The parts of a Qwen-Image-Edit checkpoint. */
export interface QwenImageEditComponents extends QwenImageComponents {
  /** Cuts pictures for the text encoder, which sees them; may be null if calls have `promptEmbeds` instead. */
  readonly processor: Qwen2VLImageProcessor | null;
}

const PARTS: Fields<QwenImageEditComponents> = {
  ...QWEN_IMAGE_PARTS,
  processor: part(orNull(instanceOf(Qwen2VLImageProcessor))),
};

/** The processor of pictures for Qwen2.5-VL, by its names in checkpoints: that of pictures and texts, or of pictures alone. */
const PROCESSORS = {
  Qwen2VLProcessor: Qwen2VLImageProcessor,
  Qwen2_5_VLProcessor: Qwen2VLImageProcessor,
  Qwen2VLImageProcessor,
  Qwen2VLImageProcessorFast: Qwen2VLImageProcessor,
};

/** The options of a call of Qwen-Image-Edit. */
export interface QwenImageEditPlusOptions extends QwenImageRequest, NoiseStartOptions {
  /**
   * The picture to change, or a list of pictures that the prompt names "Picture 1", "Picture 2", ... The result has the proportions of the
   * last one, and about 1024 x 1024 pixels, unless `height` and `width` are given.
   */
  readonly image: ImageInput;
}

const FIELDS: Fields<QwenImageEditPlusOptions> = {
  ...QWEN_IMAGE_FIELDS,
  ...NOISE_START_FIELDS,
  image: needed(imageInput, "image is the picture to change, or a list of pictures"),
};

/** The request of a call of {@link QwenImageEditPlusPipeline}: its options, with a prompt or embeddings. */
export type QwenImageEditPlusRequest = Prompted<QwenImageEditPlusOptions>;

/** Pixels of a picture as the transformer sees it, and of the result. */
const LATENT_PIXELS = 1024 * 1024;

/**
 * Changes pictures, and joins several, as a text says, with Qwen-Image-Edit-2509 and 2511 (Qwen Team 2025). One prompt for each call.
 * Matches diffusers' QwenImageEditPlusPipeline.
 */
export class QwenImageEditPlusPipeline extends QwenImageBase<QwenImageEditPlusRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "QwenImageEditPlusPipeline";
  /** @internal Fields of the parts. */
  static override readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = QwenImageEditPlusPipeline.className;
  /** Cuts pictures for the text encoder. Null at run time if the pipeline was opened without it. */
  processor: Qwen2VLImageProcessor;
  protected readonly fields = FIELDS;
  protected readonly defaults = QWEN_IMAGE_EDIT.workflows.image.defaults;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: QwenImageEditComponents, source?: ComponentSource) {
    super(components, source);
    this.processor = components.processor as Qwen2VLImageProcessor;
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<QwenImageEditComponents>,
  ): Promise<QwenImageEditPlusPipeline> {
    const processor = await source.loadOptional("processor", PROCESSORS, given.processor);
    return new QwenImageEditPlusPipeline({ ...(await loadQwenImage(source, given)), processor }, source);
  }

  /** The parts, by diffusers' names in camelCase. */
  override get components(): QwenImageEditComponents {
    return super.components as QwenImageEditComponents;
  }

  protected override async textEncodersFor({ image }: QwenImageEditPlusRequest): Promise<QwenImageEditTextEncoders> {
    return new QwenImageEditTextEncoders({ ...this.reading, processor: this.processor }, await picturesOf(image));
  }

  /** Texts with pictures are not cut. */
  protected override cut(features: QwenImageFeatures): QwenImageFeatures {
    return features;
  }

  protected async *denoise(call: Call<QwenImageEditPlusRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch } = call;
    if (promptCount(request) > 1) {
      throw new ArgumentError("several prompts were given; Qwen-Image-Edit takes one for each call, as in diffusers", {
        argument: "prompt",
        hint: (name) => `give one prompt, and ${name("numImagesPerPrompt")} for several pictures`,
      });
    }
    const pictures = await picturesOf(request.image);
    const last = pictures.at(-1) as Picture;
    const native = sizeOf(last, LATENT_PIXELS);
    const size = this.size({ height: request.height ?? native.height, width: request.width ?? native.width });
    const timesteps = this.plan(call, size);
    const references = await this.references(pictures, batch);
    const run = { size, timesteps };
    const others = references.tokens.shape[1];
    const predictions = await this.predictionsInRoom(call, run, (pipeline) => pipeline.predictions(call, run, references), others);
    return yield* this.flow(call, run, this.noise(call, size), predictions);
  }

  /** The pictures as the transformer sees them. */
  private async references(pictures: readonly Picture[], batch: number): Promise<References> {
    const vae = expectVae(this.vae, "the pictures to change are encoded by it");
    const processor = new VaeImageProcessor({ vaeScaleFactor: this.sizeMultiple });
    const tokens: Tensor[] = [];
    const shapes: ImageShape[] = [];
    for (const picture of pictures) {
      const { height, width } = sizeOf(picture, LATENT_PIXELS);
      const image = processor.preprocess(picture, { height, width });
      const latents = scaleLatents(retrieveLatents(await vae.encode(image)), vae.config);
      tokens.push(this.pack(repeatToBatch("image", latents, batch)));
      shapes.push([1, height / this.sizeMultiple, width / this.sizeMultiple]);
    }
    return { tokens: concat(tokens, 1), shapes };
  }
}

async function picturesOf(image: ImageInput): Promise<Picture[]> {
  const loaded = await loadImages(image);
  const wrong = loaded.find((each) => !(each instanceof Picture));
  if (wrong || loaded.length === 0) {
    throw new ArgumentError(loaded.length === 0 ? "image is an empty list" : "image has a tensor; expected pictures, whose sizes count", {
      argument: "image",
      // diffusers' pipeline asks for the size of a PIL image, and fails with a tensor, too.
      hint: "its latents cannot take its place: the text encoder sees the picture as well",
    });
  }
  return loaded as Picture[];
}

/** The size with a picture's proportions and about so many pixels, in multiples of 32. Matches diffusers' calculate_dimensions. */
function sizeOf({ width, height }: Picture, pixels: number): Size {
  const ratio = width / height;
  const wide = Math.sqrt(pixels * ratio);
  const multiple = (side: number) => Math.max(1, halfToEven(side / 32)) * 32;
  return { width: multiple(wide), height: multiple(wide / ratio) };
}
