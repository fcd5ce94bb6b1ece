import { ArgumentError } from "../../errors.js";
import { toGray } from "../../image/gray-picture.js";
import { VaeImageProcessor } from "../../image/vae-image-processor.js";
import { MultiAdapter } from "../../models/multi-adapter.js";
import { T2IAdapter } from "../../models/t2i-adapter.js";
import { type Fields, field, isListOf, needed, oneOrList, real } from "../../options/fields.js";
import { Tensor, weightedSum } from "../../tensor/tensor.js";
import type { LatentDiffusionRequest } from "../latent-diffusion-request.js";
import type { Size, SizeOptions } from "../shared/arguments.js";
import type { Call } from "../shared/call.js";
import { type ComponentSource, part } from "../shared/components.js";
import type { Control } from "../shared/control.js";
import { type ImageInput, isImageInput, loadImages } from "../shared/image-inputs.js";
import { repeatToBatch } from "../shared/latents.js";
import type { UNetComponents } from "../unet-pipeline.js";
import type { PerNet } from "./controlnets.js";

/**
 * The pictures that T2I-Adapters follow. For one adapter: one picture, or a list with one for each prompt. For several adapters: a list
 * with such pictures for each adapter.
 */
export type AdapterImages = ImageInput | readonly ImageInput[];

/** How T2I-Adapters act in a call. */
export interface AdapterOptions {
  /**
   * The pictures. They are resized to `width` and `height`, by default their own size; tensors [batch, channels, height, width] of values
   * in 0..1 are not.
   */
  readonly image: AdapterImages;
  /** Weight of the adapters, or a list with one for each; 1 by default. */
  readonly adapterConditioningScale?: PerNet<number> | undefined;
}

export const ADAPTER_FIELDS: Fields<AdapterOptions> = {
  image: needed(
    field<AdapterImages>((value) => isImageInput(value) || isListOf(value, isImageInput), "a picture in any form, or a list of them"),
    "image is the picture that the T2I-Adapter follows; several adapters take a list with one for each",
  ),
  adapterConditioningScale: oneOrList(real(), "a number, or a list with one for each T2I-Adapter"),
};

/** The T2I-Adapters of a pipeline. */
export interface AdapterComponents {
  /** The T2I-Adapter, or several; their features are added up. */
  readonly adapter: PerNet<T2IAdapter> | MultiAdapter;
}

export const ADAPTER_PARTS: Fields<AdapterComponents> = {
  adapter: part(
    field<PerNet<T2IAdapter> | MultiAdapter>(
      (value) => value instanceof MultiAdapter || value instanceof T2IAdapter || isListOf(value, (each) => each instanceof T2IAdapter),
      "a T2IAdapter, a list of them or a MultiAdapter",
    ),
  ),
};

/** Loads a pipeline's T2I-Adapters, unless the caller gave them. */
export async function loadAdapters(source: ComponentSource, given: Partial<AdapterComponents>): Promise<AdapterComponents["adapter"]> {
  return given.adapter ?? source.load<T2IAdapter | MultiAdapter>("adapter", { T2IAdapter, MultiAdapter }, undefined);
}

/** The adapters one by one. @throws ArgumentError unless they halve pictures alike and have the channels of the UNet's blocks. */
export function adaptersOf({ adapter, unet }: AdapterComponents & Pick<UNetComponents, "unet">): readonly T2IAdapter[] {
  const adapters = adapter instanceof MultiAdapter ? adapter.nets : [adapter].flat();
  const [first] = adapters;
  for (const each of adapters) {
    const { channels } = each.config;
    const expected = unet.config.blockOutChannels.slice(0, channels.length);
    if (expected.some((width, i) => channels[i] !== width)) {
      throw new ArgumentError(
        `this T2I-Adapter has features of ${channels.join(", ")} channels; the UNet's blocks have ${expected.join(", ")}`,
        {
          argument: "adapter",
          hint: "it is for another family of checkpoints: use a T2I-Adapter that was trained for this one",
        },
      );
    }
    if (each.downscaleFactor !== first?.downscaleFactor || each.totalDownscaleFactor !== first.totalDownscaleFactor) {
      throw new ArgumentError(
        `the T2I-Adapters reduce pictures by ${first?.totalDownscaleFactor} and ${each.totalDownscaleFactor}; expected the same for all`,
        { argument: "adapter" },
      );
    }
  }
  return adapters;
}

/** What a call's features are made of. */
export interface AdapterCall {
  readonly adapters: readonly T2IAdapter[];
  readonly call: Call<LatentDiffusionRequest & SizeOptions & AdapterOptions>;
  /** Until which turn of the loop the adapters act; all by default. */
  readonly actsAt?: ((turn: Parameters<Control["inputs"]>[0]) => boolean) | undefined;
}

/** Makes the features of a call's pictures. @throws ArgumentError if pictures or weights do not match the adapters in number. */
export async function prepareAdapters({ adapters, call, actsAt = () => true }: AdapterCall): Promise<Control> {
  const { image, adapterConditioningScale = 1, height, width, numImagesPerPrompt = 1 } = call.request;
  const count = adapters.length;
  const inputs = count === 1 ? [image as ImageInput] : (image as readonly ImageInput[]);
  if (!Array.isArray(inputs) || inputs.length !== count) {
    const found = Array.isArray(image) ? `a list of ${image.length}` : "not a list";
    throw new ArgumentError(`image is ${found}; expected a list with a picture for each of ${count} T2I-Adapters`, { argument: "image" });
  }
  const scales = [adapterConditioningScale].flat() as readonly number[];
  if (Array.isArray(adapterConditioningScale) && scales.length !== count) {
    throw new ArgumentError(`${scales.length} were given as adapterConditioningScale for ${count} T2I-Adapters; expected one for each`, {
      argument: "adapterConditioningScale",
    });
  }
  const loaded = await Promise.all(inputs.map((each) => loadImages(each)));
  const own = sizeOf(loaded[0]?.[0]);
  const factor = adapters[0]?.downscaleFactor ?? 1;
  const floor = (side: number) => Math.floor(side / factor) * factor;
  const size = { height: height ?? floor(own.height), width: width ?? floor(own.width) };
  const states = await Promise.all(
    adapters.map(async (adapter, i) => {
      const pictures = toPictures(loaded[i] ?? [], adapter, size);
      expectForPrompts(pictures.shape[0] ?? 0, call.batch / numImagesPerPrompt);
      return adapter.forward(pictures);
    }),
  );
  const features = (states[0] ?? []).map((_, level) =>
    weightedSum(...states.map((state, i) => [scales[i] ?? scales[0] ?? 1, state[level] as Tensor] as const)),
  );
  // As in diffusers, the pictures are repeated as a whole, whereas prompts are repeated one by one.
  const repeated = features.map((feature) => repeatToBatch("image", feature, call.batch));
  return { size, inputs: async (turn) => (actsAt(turn) ? { downIntrablockAdditionalResiduals: repeated } : {}) };
}

type Loaded = Awaited<ReturnType<typeof loadImages>>[number];

function sizeOf(image: Loaded | undefined): Size {
  if (image instanceof Tensor) return { height: image.shape.at(-2) ?? 0, width: image.shape.at(-1) ?? 0 };
  return image ?? { height: 0, width: 0 };
}

const PROCESSOR = new VaeImageProcessor({ vaeScaleFactor: 1, doNormalize: false });

/** Pictures as an adapter takes them [n, channels, height, width], in grey if it takes one channel. @throws ArgumentError for others */
function toPictures(images: readonly Loaded[], { config, downscaleFactor }: T2IAdapter, size: Size): Tensor {
  for (const [name, side] of Object.entries(size)) {
    if (side > 0 && side % downscaleFactor === 0) continue;
    throw new ArgumentError(`${name} is ${side}; this T2I-Adapter takes a multiple of ${downscaleFactor}`, { argument: name });
  }
  const converted = images.map((image) => (image instanceof Tensor || config.inChannels !== 1 ? image : toGray(image)));
  const isTensor = converted.some((image) => image instanceof Tensor);
  const pictures = PROCESSOR.preprocess(converted, isTensor ? {} : size);
  const [, channels, height, width] = pictures.shape;
  if (channels === config.inChannels && height === size.height && width === size.width) return pictures;
  throw new ArgumentError(
    `image is [${pictures.shape}]; this T2I-Adapter takes [batch, ${config.inChannels}, ${size.height}, ${size.width}] for ${size.width}x${size.height} pixels`,
    { argument: "image" },
  );
}

function expectForPrompts(count: number, prompts: number): void {
  if (count === 1 || count === prompts) return;
  throw new ArgumentError(`image has ${count} pictures for ${prompts} prompts; expected one, or one for each prompt`, {
    argument: "image",
  });
}
