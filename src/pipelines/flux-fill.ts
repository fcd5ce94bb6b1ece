import type { ModelIndex } from "../checkpoint/model-index.js";
import { FLUX_FILL } from "../families/flux.js";
import type { Fields } from "../options/fields.js";
import { concat, type Tensor } from "../tensor/tensor.js";
import { FLUX_FIELDS, FLUX_PARTS, FluxBase, type FluxComponents, type FluxRequest, loadFlux } from "./flux-base.js";
import type { Prompted } from "./prompt/prompt-options.js";
import type { Call, Denoised } from "./shared/call.js";
import type { ComponentSource } from "./shared/components.js";
import { readInpaintImages } from "./shared/image-inputs.js";
import { addInitialNoise, encodeImages, givenStart, repeatToBatch } from "./shared/latents.js";
import { packLatents } from "./shared/packing.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { REPAINT_FIELDS, type RepaintOptions, sidesOf } from "./transformer-pipeline.js";

/** The options of a call of FLUX.1 Fill. `maskedImageLatents` are packed, and have the mask behind them [batch, tokens, 320]. */
export interface FluxFillOptions extends FluxRequest, Omit<RepaintOptions, "paddingMaskCrop"> {}

const { paddingMaskCrop: _, ...REPAINT } = REPAINT_FIELDS;
const FIELDS: Fields<FluxFillOptions> = { ...FLUX_FIELDS, ...REPAINT };

/** The request of a call of {@link FluxFillPipeline}: its options, with a prompt or embeddings. */
export type FluxFillRequest = Prompted<FluxFillOptions>;

/**
 * Repaints the masked part of a picture, or paints beyond its edges, with FLUX.1 Fill, whose transformer sees the masked picture and the
 * mask. Matches diffusers' FluxFillPipeline.
 */
export class FluxFillPipeline extends FluxBase<FluxFillRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "FluxFillPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = FLUX_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = FluxFillPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = FLUX_FILL.workflows.mask.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<FluxComponents>): Promise<FluxFillPipeline> {
    return new FluxFillPipeline(await loadFlux(source, given), source);
  }

  protected override get noiseChannels(): number {
    return this.vae.config.latentChannels;
  }

  protected async *denoise(call: Call<FluxFillRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { request, batch, generator, scheduler } = call;
    const { image, mask, size: read } = await readInpaintImages(request, sidesOf(request), this.vae, this.sizeMultiple);
    const size = this.size(read);
    const timesteps = this.plan(call, size, request.strength ?? this.defaults.strength);
    const noised = async () => {
      const start = await givenStart(this.vae, image, batch, generator);
      return this.pack(addInitialNoise(start, generator, scheduler, timesteps[0] ?? 0));
    };
    const latents = request.latents ?? (await noised());
    const masked = async () => {
      const encoded = await encodeImages(this.vae, maskedOut(image, mask), generator);
      const parts = [packLatents(encoded), packedMask(mask, this.vaeScaleFactor)];
      return concat(
        parts.map((part) => repeatToBatch("maskImage", part, batch)),
        2,
      );
    };
    const numbers = request.maskedImageLatents ? repeatToBatch("maskedImageLatents", request.maskedImageLatents, batch) : await masked();
    const run = { size, timesteps };
    const predictions = await this.predictionsInRoom(call, run, (pipeline) => pipeline.seeing(call, run, { numbers }));
    return yield* this.flow(call, run, latents, predictions);
  }
}

/** Pictures [n, 3, height, width] with the part under the mask [n or 1, 1, height, width] set to 0, mid-grey. */
function maskedOut(image: Tensor, mask: Tensor): Tensor {
  return image.mul(mask.mul(-1).add(1));
}

/** The mask's pixels as numbers of each token: the pixels of a latent are its channels [n, tokens, factor * factor * 4]. */
function packedMask(mask: Tensor, factor: number): Tensor {
  const [count = 0, , height = 0, width = 0] = mask.shape;
  const [rows, columns] = [height / factor, width / factor];
  const pixels = mask.reshape([count, rows, factor, columns, factor]).permute(0, 2, 4, 1, 3);
  return packLatents(pixels.reshape([count, factor * factor, rows, columns]));
}
