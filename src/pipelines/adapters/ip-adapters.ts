import { ArgumentError } from "../../errors.js";
import { isPlain } from "../../given.js";
import type { CLIPImageProcessor } from "../../image/clip-image-processor.js";
import { IPAdapterMaskProcessor } from "../../image/ip-adapter-mask-processor.js";
import { type ImageSource, isImageSource, loadImage, loadMask } from "../../image/load-image.js";
import type { CLIPVisionModelWithProjection } from "../../models/clip-vision.js";
import { ImageProjection, type IPAdapterImageProjectionModel } from "../../models/image-projection.js";
import type { IPAdapterScale } from "../../models/ip-adapter-scales.js";
import type { IPAdapterInputs } from "../../models/ip-adapters.js";
import type { UNet2DConditionModel } from "../../models/unet-2d-condition.js";
import { type Fields, field, flag, isListOf, whole } from "../../options/fields.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import { counted } from "../../wording.js";
import type { Size } from "../shared/arguments.js";
import type { Call } from "../shared/call.js";
import type { Conditioning } from "../shared/predictor.js";
import type { Steerable, SteeringOptions } from "../shared/steering.js";

/** The pictures of one IP-Adapter: one, several, or a tensor that a CLIPImageProcessor made [n, 3, size, size]. */
export type IPAdapterPictures = ImageSource | Tensor | readonly ImageSource[];

/** The pictures of IP-Adapters: those of the only one, or a list with those of each. */
export type IPAdapterImages = ImageSource | Tensor | readonly IPAdapterPictures[];

/**
 * Masks of one IP-Adapter: a tensor of an IPAdapterMaskProcessor [1, pictures, height, width], a mask for each of its pictures, or null.
 */
export type IPAdapterMask = Tensor | ImageSource | readonly ImageSource[] | null;

/** The pictures of IP-Adapters in a call. */
export interface IPAdapterOptions {
  /**
   * The picture of the IP-Adapter; for several adapters or pictures, a list with the pictures of each adapter: `[[a, b]]` are two pictures
   * of one adapter. It acts on all pictures of the call.
   */
  readonly ipAdapterImage?: IPAdapterImages | undefined;
  /**
   * In place of pictures: their embeddings, a list with one for each adapter [rows, pictures, features] or [rows, pictures, patches,
   * features], as `prepareIPAdapterImageEmbeds` makes them. With guidance, the first half of the rows is for the negative prompt.
   */
  readonly ipAdapterImageEmbeds?: readonly Tensor[] | undefined;
  /**
   * Where pictures act: a list with masks for each adapter, one for each of its pictures, white where the picture acts; or null, for
   * everywhere. Pictures are resized to the size of the result. As tensors, [1, pictures, height, width] from 0 to 1.
   */
  readonly ipAdapterMasks?: Tensor | readonly IPAdapterMask[] | undefined;
  /** How strongly the IP-Adapters act in this call, as `setIPAdapterScale` takes it; by default what that method set. */
  readonly ipAdapterScale?: IPAdapterScale | readonly IPAdapterScale[] | undefined;
}

const isTensor = (value: unknown) => value instanceof Tensor && value.dtype === "float32";
const isPictures = (value: unknown) => isTensor(value) || isImageSource(value) || isListOf(value, isImageSource);

const images = field<IPAdapterImages>(
  (value) => isTensor(value) || isImageSource(value) || isListOf(value, isPictures),
  "a picture in any form, or a list with one picture, or a list of pictures, for each IP-Adapter",
);

const embeds = field<readonly Tensor[]>((value) => isListOf(value, isTensor), "a list with a float32 Tensor for each IP-Adapter");

const masks = field<Tensor | readonly IPAdapterMask[]>(
  (value) => isTensor(value) || isListOf(value, (each) => each === null || isPictures(each)),
  "a list with masks for each IP-Adapter: a Tensor, a picture, a list of pictures or null",
);

const scales = field<IPAdapterScale | readonly IPAdapterScale[]>(
  (value) => Number.isFinite(value) || isPlain(value) || (Array.isArray(value) && value.length > 0),
  "a number, scales by block, or a list with one for each IP-Adapter",
);

export const IP_ADAPTER_FIELDS: Fields<IPAdapterOptions> = {
  ipAdapterImage: images,
  ipAdapterImageEmbeds: embeds,
  ipAdapterMasks: masks,
  ipAdapterScale: scales,
};

/** Options of `prepareIPAdapterImageEmbeds`. */
export interface PrepareIPAdapterOptions extends Pick<IPAdapterOptions, "ipAdapterImage" | "ipAdapterImageEmbeds"> {
  /** How often the rows are repeated; 1 by default. In diffusers it is the number of all pictures of the call. */
  readonly numImagesPerPrompt?: number | undefined;
  /** Whether rows for the negative prompt come first; by default as for a call with the pipeline's own guidance scale. */
  readonly doClassifierFreeGuidance?: boolean | undefined;
}

export const PREPARE_FIELDS: Fields<PrepareIPAdapterOptions> = {
  ipAdapterImage: images,
  ipAdapterImageEmbeds: embeds,
  numImagesPerPrompt: whole(1),
  doClassifierFreeGuidance: flag,
};

/** The parts of a pipeline that IP-Adapters use. */
export interface IPAdapterParts {
  readonly unet: UNet2DConditionModel;
  readonly vaeScaleFactor: number;
  imageEncoder: CLIPVisionModelWithProjection | null;
  featureExtractor: CLIPImageProcessor | undefined;
}

/** The UNet's inputs that pictures make at turn `index` of the loop. */
export type ImageConditioning = (index: number) => IPAdapterInputs;

/** The UNet's inputs that a call's pictures make; undefined without IP-Adapters. @throws ArgumentError */
export async function imageConditioning(
  pipe: IPAdapterParts,
  { request, batch, isGuided, guidance }: Call<IPAdapterOptions & SteeringOptions>,
  { unconditionalParts, ...size }: Size & Pick<EmbedsCall, "unconditionalParts">,
): Promise<ImageConditioning | undefined> {
  const { ipAdapterImage, ipAdapterMasks, ipAdapterScale } = request;
  if (!expectAdapters(pipe, request)) return undefined;
  const identity = projectionsOf(pipe).findIndex(({ takesIdentity }) => takesIdentity);
  if (ipAdapterImage !== undefined && identity !== -1) {
    throw new ArgumentError(
      (name) => `${name("ipAdapterImage")} was given; IP-Adapter ${identity} (FaceID) takes the embedding of a face's identity`,
      { argument: "ipAdapterImage", hint: (name) => `give the embeddings as ${name("ipAdapterImageEmbeds")}` },
    );
  }
  // A program may turn guidance on between two steps.
  const mayBeGuided = isGuided || (ipAdapterImage !== undefined && request.onStepEnd !== undefined);
  const halves = await embedHalves(pipe, request, mayBeGuided);
  const masks = ipAdapterMasks && (await readMasks(pipe, ipAdapterMasks, size));
  const made = new Map<boolean, IPAdapterInputs>();
  return (index) => {
    const { isGuided: isGuidedNow } = guidance.at(index);
    // The same tensors at all turns, so that the UNet projects them once.
    const inputs = made.get(isGuidedNow) ?? {
      imageEmbeds: joinHalves(halves, { times: batch, isGuided: isGuidedNow, unconditionalParts }),
      ipAdapterMasks: masks,
      ...(ipAdapterScale !== undefined && { ipAdapterScales: scaleList(ipAdapterScale) }),
    };
    made.set(isGuidedNow, inputs);
    return inputs;
  };
}

/** A scale for each IP-Adapter; one that is no list is for the only adapter. */
export function scaleList(scale: IPAdapterScale | readonly IPAdapterScale[]): readonly IPAdapterScale[] {
  return Array.isArray(scale) ? (scale as readonly IPAdapterScale[]) : [scale as IPAdapterScale];
}

/** The conditioning by texts, and by pictures beside it. */
export function withImages<Inputs extends object>(
  text: Conditioning<Inputs> & Steerable,
  images: ImageConditioning,
): Conditioning<Inputs & IPAdapterInputs> & Steerable {
  return {
    at: (index) => ({ ...text.at(index), ...images(index) }),
    get names() {
      return text.names;
    },
    tensors: (index) => text.tensors(index),
    replace: (tensors) => text.replace(tensors),
  };
}

/** Whether a call has IP-Adapters. @throws ArgumentError if it has adapters and no pictures, or pictures and no adapters. */
function expectAdapters({ unet }: IPAdapterParts, request: IPAdapterOptions): boolean {
  const { ipAdapterImage, ipAdapterImageEmbeds } = request;
  const [given] = Object.keys(IP_ADAPTER_FIELDS).filter((name) => request[name as keyof IPAdapterOptions] !== undefined);
  if (unet.ipAdapters.count === 0) {
    if (given === undefined) return false;
    throw new ArgumentError((name) => `${name(given)} was given; this pipeline has no IP-Adapter`, {
      argument: given,
      hint: (name) => `load one first: ${name("loadIPAdapter")}`,
    });
  }
  if (ipAdapterImage !== undefined && ipAdapterImageEmbeds !== undefined) {
    throw new ArgumentError(
      (name) => `both ${name("ipAdapterImage")} and ${name("ipAdapterImageEmbeds")} were given; expected one of them`,
      {
        argument: "ipAdapterImageEmbeds",
      },
    );
  }
  if (ipAdapterImage !== undefined || ipAdapterImageEmbeds !== undefined) return true;
  throw new ArgumentError((name) => `the UNet has ${unet.ipAdapters.count} IP-Adapter(s); ${name("ipAdapterImage")} is missing`, {
    argument: "ipAdapterImage",
    hint: (name) => `give a picture as ${name("ipAdapterImage")}, or remove the adapter with unloadIPAdapter()`,
  });
}

function projectionsOf({ unet }: IPAdapterParts): readonly IPAdapterImageProjectionModel[] {
  return unet.encoderHidProj?.imageProjectionLayers ?? [];
}

/** How embeddings are made: with rows for the negative prompt, each half repeated so many times. */
interface EmbedsCall {
  readonly times: number;
  readonly isGuided: boolean;
  /** How many parts have the negative prompt under guidance; 1 by default. */
  readonly unconditionalParts?: number | undefined;
}

/** Embeddings for each adapter. Matches diffusers' prepare_ip_adapter_image_embeds. @throws ArgumentError */
export async function prepareImageEmbeds(
  pipe: IPAdapterParts,
  given: Pick<IPAdapterOptions, "ipAdapterImage" | "ipAdapterImageEmbeds">,
  call: EmbedsCall,
): Promise<readonly Tensor[]> {
  expectAdapters(pipe, given);
  return joinHalves(await embedHalves(pipe, given, call.isGuided), call);
}

/** The embeddings of each adapter's pictures. @throws ArgumentError for other pictures than the adapters take. */
async function embedHalves(
  pipe: IPAdapterParts,
  { ipAdapterImage, ipAdapterImageEmbeds }: Pick<IPAdapterOptions, "ipAdapterImage" | "ipAdapterImageEmbeds">,
  isGuided: boolean,
): Promise<readonly Halves[]> {
  const projections = projectionsOf(pipe);
  const expectCount = (argument: string, count: number) => {
    if (count === projections.length) return;
    throw new ArgumentError(
      (name) => `${name(argument)} is for ${counted(count, "IP-Adapter")}; ${counted(projections.length, "is", "are")} loaded`,
      {
        argument,
        hint: "give a list with an entry for each adapter; several pictures of one adapter are a list in that list: [[a, b]]",
      },
    );
  };
  if (ipAdapterImageEmbeds) {
    expectCount("ipAdapterImageEmbeds", ipAdapterImageEmbeds.length);
    return ipAdapterImageEmbeds.map((each) => halvesOf(each, isGuided));
  }
  const each = (Array.isArray(ipAdapterImage) ? ipAdapterImage : [ipAdapterImage]) as readonly IPAdapterPictures[];
  expectCount("ipAdapterImage", each.length);
  const halves: Halves[] = [];
  for (const [i, pictures] of each.entries()) {
    halves.push(await encodePictures(pipe, pictures, { isGuided, projection: projections[i] as IPAdapterImageProjectionModel }));
  }
  return halves;
}

/** The rows for the negative prompt first, if there are any. @throws ArgumentError if they are missing. */
function joinHalves(halves: readonly Halves[], { times, isGuided, unconditionalParts = 1 }: EmbedsCall): readonly Tensor[] {
  const repeated = (tensor: Tensor, parts = 1) => Array.from({ length: times * parts }, () => tensor);
  return halves.map(({ positive, negative }) => {
    if (isGuided && !negative) {
      throw new ArgumentError("guidance was turned on, but the IP-Adapter's embeddings have no rows for the negative prompt", {
        argument: "ipAdapterImageEmbeds",
        hint: "begin with a guidanceScale above 1",
      });
    }
    return concat([...(isGuided && negative ? repeated(negative, unconditionalParts) : []), ...repeated(positive)]);
  });
}

/** Embeddings for the prompt and, with guidance, for the negative prompt. */
interface Halves {
  readonly positive: Tensor;
  readonly negative: Tensor | undefined;
}

function halvesOf(embeds: Tensor, isGuided: boolean): Halves {
  const [rows = 0] = embeds.shape;
  if (embeds.shape.length !== 3 && embeds.shape.length !== 4) {
    throw new ArgumentError(
      `ipAdapterImageEmbeds has a Tensor [${embeds.shape.join(", ")}]; expected [rows, pictures, features] or [rows, pictures, patches, features]`,
      { argument: "ipAdapterImageEmbeds" },
    );
  }
  if (!isGuided) return { positive: embeds, negative: undefined };
  if (rows % 2 !== 0) {
    throw new ArgumentError(`ipAdapterImageEmbeds has ${rows} ${rows === 1 ? "row" : "rows"}; with guidance an even number is expected`, {
      argument: "ipAdapterImageEmbeds",
      hint: "the first half is for the negative prompt: make them with doClassifierFreeGuidance: true, or leave guidance off: guidanceScale: 1",
    });
  }
  const [negative, positive] = embeds.chunk(2);
  return { positive, negative };
}

async function encodePictures(
  { imageEncoder, featureExtractor }: IPAdapterParts,
  given: IPAdapterPictures,
  { isGuided, projection }: { readonly isGuided: boolean; readonly projection: IPAdapterImageProjectionModel },
): Promise<Halves> {
  if (!imageEncoder || !featureExtractor) {
    throw new ArgumentError("this pipeline has no imageEncoder, which encodes the pictures of IP-Adapters", {
      argument: "ipAdapterImage",
      hint: (name) =>
        `give the folder of its image encoder: ${name("imageEncoderFolder", { value: "image_encoder", code: 'loadIPAdapter(source, { imageEncoderFolder: "image_encoder" }), or ipAdapterImageEmbeds' })}`,
    });
  }
  const load = () => Promise.all([given].flat().map((each) => loadImage(each as ImageSource)));
  // diffusers uses the processor with torchvision.
  const pixels = given instanceof Tensor ? given : featureExtractor.preprocess(await load(), { backend: "torchvision" });
  const batched = (tensor: Tensor) => tensor.unsqueeze(0);
  if (projection instanceof ImageProjection) {
    const { imageEmbeds } = await imageEncoder.forward(pixels);
    expectWidth(imageEmbeds, projection);
    return { positive: batched(imageEmbeds), negative: isGuided ? batched(Tensor.zeros(imageEmbeds.shape)) : undefined };
  }
  const states = async (values: Tensor) =>
    (await imageEncoder.forward(values, { outputHiddenStates: true })).hiddenStates?.at(-2) as Tensor;
  const positive = await states(pixels);
  if (!projection.takesIdentity) expectWidth(positive, projection);
  if (!isGuided) return { positive: batched(positive), negative: undefined };
  const [count = 1, ...rest] = pixels.shape;
  const empty = await states(Tensor.zeros([1, ...rest]));
  return { positive: batched(positive), negative: batched(concat(Array.from({ length: count }, () => empty))) };
}

/** @throws ArgumentError if the image encoder is not the one that the adapter was trained with. */
function expectWidth({ shape }: Tensor, { config }: IPAdapterImageProjectionModel): void {
  if (shape.at(-1) === config.imageEmbedDim) return;
  throw new ArgumentError(`the image encoder's embeddings are ${shape.at(-1)} wide; the IP-Adapter expects ${config.imageEmbedDim}`, {
    argument: "ipAdapterImage",
    hint: 'the adapter was trained with another image encoder; name its folder: loadIPAdapter(source, { imageEncoderFolder: "models/image_encoder" })',
  });
}

/** Masks [1, pictures, height, width] for each adapter. */
async function readMasks(
  { vaeScaleFactor }: IPAdapterParts,
  given: Tensor | readonly IPAdapterMask[],
  size: Size,
): Promise<readonly (Tensor | null)[]> {
  // As in diffusers, a single tensor [adapters, 1, height, width] has a mask for each adapter.
  if (given instanceof Tensor) return given.chunk(given.shape[0] ?? 1);
  const processor = new IPAdapterMaskProcessor({ vaeScaleFactor });
  return Promise.all(
    given.map(async (each) => {
      if (each === null || each instanceof Tensor) return each;
      const read = processor.preprocess(await Promise.all([each].flat().map((one) => loadMask(one as ImageSource))), size);
      const [pictures = 1, , height = 0, width = 0] = read.shape;
      return read.reshape([1, pictures, height, width]);
    }),
  );
}
