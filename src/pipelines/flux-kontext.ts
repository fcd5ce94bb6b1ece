import type { ModelIndex } from "../checkpoint/model-index.js";
import { FLUX_KONTEXT } from "../families/flux.js";
import { type Fields, flag, real } from "../options/fields.js";
import { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import {
  FLUX_FIELDS,
  FLUX_PARTS,
  FluxBase,
  type FluxComponents,
  type FluxRequest,
  type FluxSight,
  loadFlux,
  TRUE_GUIDANCE_FIELDS,
  type TrueGuidanceOptions,
} from "./flux-base.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Size, SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { type ImageInput, imageInput, loadImages, readImages } from "./shared/image-inputs.js";
import { isLatent, pictureLatents, repeatToBatch, scaleLatents } from "./shared/latents.js";
import { packLatents, tokenPositions } from "./shared/packing.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { NOISE_START_FIELDS, type NoiseStartOptions } from "./transformer-pipeline.js";

/** The options of a call of FLUX.1 Kontext. */
export interface FluxKontextOptions extends FluxRequest, TrueGuidanceOptions, NoiseStartOptions {
  /** The picture to edit, or a list with one for each prompt; without it, the picture is made of the prompt alone. */
  readonly image?: ImageInput | undefined;
  /** Pixels of the result: `height` and `width` say its shape alone; 1024 * 1024 by default. */
  readonly maxArea?: number | undefined;
  /**
   * Whether the given picture is resized to the one of 17 sizes that is nearest in shape, which the network was trained on; true by
   * default. False keeps its size.
   */
  readonly autoResize?: boolean | undefined;
  /** As `autoResize`, by the name in diffusers. */
  readonly _autoResize?: boolean | undefined;
}

const FIELDS: Fields<FluxKontextOptions> = {
  ...FLUX_FIELDS,
  ...TRUE_GUIDANCE_FIELDS,
  ...NOISE_START_FIELDS,
  image: imageInput,
  maxArea: real(1),
  autoResize: flag,
  _autoResize: flag,
};

/** The request of a call of {@link FluxKontextPipeline}: its options, with a prompt or embeddings. */
export type FluxKontextRequest = Prompted<FluxKontextOptions>;

const MAX_AREA = 1024 ** 2;

/** Widths and heights of pictures that Kontext was trained on, as diffusers has them. */
const PREFERRED_SIZES = [
  [672, 1568],
  [688, 1504],
  [720, 1456],
  [752, 1392],
  [800, 1328],
  [832, 1248],
  [880, 1184],
  [944, 1104],
  [1024, 1024],
  [1104, 944],
  [1184, 880],
  [1248, 832],
  [1328, 800],
  [1392, 752],
  [1456, 720],
  [1504, 688],
  [1568, 672],
] as const;

/**
 * Edits a picture as a text says, with FLUX.1 Kontext (Black Forest Labs 2025, arXiv:2506.15742). Matches diffusers' FluxKontextPipeline.
 */
export class FluxKontextPipeline extends FluxBase<FluxKontextRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "FluxKontextPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = FLUX_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = FluxKontextPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = FLUX_KONTEXT.workflows.image.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<FluxComponents>): Promise<FluxKontextPipeline> {
    return new FluxKontextPipeline(await loadFlux(source, given), source);
  }

  protected async *denoise(call: Call<FluxKontextRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch } = call;
    const size = this.fitted(request);
    const timesteps = this.plan(call, size);
    const reference = request.image === undefined ? undefined : await this.reference(request.image, request, batch);
    const run = { size, timesteps };
    const others = reference?.positions.shape[0];
    const predictions = await this.predictionsInRoom(call, run, (pipeline) => pipeline.seeing(call, run, { reference }), others);
    const latents = this.noise(call, size);
    return yield* this.flow(call, run, latents, predictions);
  }

  /** The shape that the request asks for, with `maxArea` pixels. */
  private fitted({
    height = this.nativeSize.height,
    width = this.nativeSize.width,
    maxArea = MAX_AREA,
  }: SizeOptions & { readonly maxArea?: number | undefined }): Size {
    const shape = width / height;
    const multiple = this.sizeMultiple;
    const side = (pixels: number) => Math.floor(Math.round(Math.sqrt(pixels)) / multiple) * multiple;
    const size = this.size({ height: side(maxArea / shape), width: side(maxArea * shape) });
    if (size.height !== height || size.width !== width) {
      warn((name) => `the picture has ${size.width}x${size.height} pixels: ${name("maxArea")} is ${maxArea}`);
    }
    return size;
  }

  /** The tokens of the picture that is edited. */
  private async reference(
    image: ImageInput,
    { autoResize, _autoResize }: Pick<FluxKontextOptions, "autoResize" | "_autoResize">,
    batch: number,
  ): Promise<NonNullable<FluxSight["reference"]>> {
    const multiple = this.sizeMultiple;
    const read = async () => {
      const images = await loadImages(image);
      const [first] = images;
      if (first instanceof Tensor && isLatent(this.vae, first)) return first;
      const own = first instanceof Tensor ? { height: first.shape[2] ?? 0, width: first.shape[3] ?? 0 } : first;
      const { height, width } = floored(own ?? { height: 0, width: 0 }, multiple);
      const wanted = (autoResize ?? _autoResize ?? true) ? floored(nearestSize(width / height), multiple) : { height, width };
      return readImages(image, this.vae, { ...wanted, multiple });
    };
    const pictures = await read();
    const latents = isLatent(this.vae, pictures)
      ? repeatToBatch("image", pictures, batch)
      : scaleLatents(await pictureLatents(this.vae, pictures, batch), this.vae.config);
    const [, , rows = 0, columns = 0] = latents.shape;
    return { tokens: packLatents(latents), positions: tokenPositions(rows / this.patch, columns / this.patch, 1) };
  }
}

function floored({ height, width }: Size, multiple: number): Size {
  return { height: height - (height % multiple), width: width - (width % multiple) };
}

/** The preferred size whose shape is nearest; of two the narrower one, as in diffusers. */
function nearestSize(shape: number): Size {
  const distance = ([width, height]: readonly [number, number]) => Math.abs(shape - width / height);
  const [width, height] = PREFERRED_SIZES.reduce<readonly [number, number]>(
    (best, size) => (distance(size) < distance(best) ? size : best),
    PREFERRED_SIZES[0],
  );
  return { height, width };
}
