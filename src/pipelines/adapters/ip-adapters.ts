import { ArgumentError, CheckpointError, HubError } from "../../errors.js";
import type { LayerChange } from "../../graph/layer-change.js";
import { ADAPTER_FIELDS, type AdapterSource } from "../../hub/find-adapter.js";
import { findIPAdapter } from "../../hub/find-ip-adapter.js";
import { type FoundSource, findSource } from "../../hub/find-source.js";
import { CLIPImageProcessor } from "../../image/clip-image-processor.js";
import { IPAdapterMaskProcessor } from "../../image/ip-adapter-mask-processor.js";
import { type ImageSource, isImageSource, loadImage, loadMask } from "../../image/load-image.js";
import { CLIPVisionModelWithProjection } from "../../models/clip-vision.js";
import { ImageProjection, type IPAdapterImageProjectionModel } from "../../models/image-projection.js";
import { attentionPaths, type IPAdapterFile, readIPAdapter } from "../../models/ip-adapter-file.js";
import type { IPAdapterInputs } from "../../models/ip-adapters.js";
import type { UNet2DConditionModel } from "../../models/unet-2d-condition.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, field, flag, isListOf, orNull, text, texts, whole } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import type { Size } from "../shared/arguments.js";
import type { Call } from "../shared/call.js";
import type { ComponentSource } from "../shared/components.js";
import type { Conditioning } from "../shared/predictor.js";
import type { Steerable, SteeringOptions } from "../shared/steering.js";

/** Where IP-Adapters are loaded from: a `.safetensors` file, a folder or a hub id, or a list with one for each adapter. */
export type IPAdapterSources = string | Folder | readonly (string | Folder)[];

/** Options of `loadIPAdapter`. Lists have an entry for each adapter; one entry serves all. */
export interface LoadIPAdapterOptions extends Omit<AdapterSource, "subfolder" | "weightName"> {
  /** The folder of the file inside the folder or repository, such as "models". */
  readonly subfolder?: string | readonly string[] | undefined;
  /** The name of the file, such as "ip-adapter_sd15.safetensors". */
  readonly weightName?: string | readonly string[] | undefined;
  /**
   * The folder of the image encoder: a name is a folder beside the adapter's file, "image_encoder" by default; a path with a slash is
   * inside the source, such as "models/image_encoder", or a folder or hub id of its own. Null: none is loaded, and calls take
   * `ipAdapterImageEmbeds` only. It is loaded only if the pipeline has no image encoder yet.
   */
  readonly imageEncoderFolder?: string | null | undefined;
}

const { subfolder: _subfolder, weightName: _weightName, ...SOURCE } = ADAPTER_FIELDS;

const LOAD_FIELDS: Fields<LoadIPAdapterOptions> = { ...SOURCE, subfolder: texts, weightName: texts, imageEncoderFolder: orNull(text) };

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

export const IP_ADAPTER_FIELDS: Fields<IPAdapterOptions> = { ipAdapterImage: images, ipAdapterImageEmbeds: embeds, ipAdapterMasks: masks };

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

/** The classes of feature extractors that a checkpoint may have, by name. */
export const FEATURE_EXTRACTORS = { CLIPImageProcessor, CLIPFeatureExtractor: CLIPImageProcessor };

/** A checkpoint's own image encoder, unless the caller gave one; null if it has none. */
export async function loadImageEncoder(
  source: ComponentSource,
  given: CLIPVisionModelWithProjection | null | undefined,
): Promise<CLIPVisionModelWithProjection | null> {
  if (given !== undefined || !source.has("image_encoder")) return given ?? null;
  return source.load("image_encoder", { CLIPVisionModelWithProjection }, undefined);
}

interface OneSource {
  readonly source: FoundSource;
  readonly subfolder: string | undefined;
  readonly weightName: string | undefined;
}

/** `loadIPAdapter` of a pipeline; `own` is where its parts come from. */
export async function loadIPAdapters(
  pipe: IPAdapterParts,
  source: IPAdapterSources,
  options: LoadIPAdapterOptions,
  own: ComponentSource | undefined,
): Promise<void> {
  const checked = checkOptions(options, LOAD_FIELDS, { call: "loadIPAdapter", elsewhere: scaleElsewhere });
  const { subfolder, weightName, imageEncoderFolder = "image_encoder", ...from } = checked;
  const sources = await oneByOne(source, subfolder, weightName);
  const files: IPAdapterFile[] = [];
  for (const { source: each, ...place } of sources) {
    const { folder, path } = await findIPAdapter(each, { ...from, ...place });
    files.push(await readIPAdapter(folder, path));
  }
  const adapters = pipe.unet.ipAdapters.open(files);
  if (!pipe.imageEncoder && imageEncoderFolder !== null) {
    const needing = adapters.findIndex(({ projection }) => !projection.takesIdentity);
    const encoder = await openImageEncoder(sources[Math.max(needing, 0)] as OneSource, imageEncoderFolder, {
      ...from,
      engine: pipe.unet.ipAdapters.engine,
      isNeeded: needing !== -1,
    });
    if (encoder) pipe.imageEncoder = own ? own.adopt(encoder) : encoder;
  }
  pipe.featureExtractor ??= await featureExtractorOf(pipe.imageEncoder, own);
  await pipe.unet.ipAdapters.use(adapters);
  for (const [i, file] of files.entries()) addLora(`faceid_${i}`, file, pipe.unet);
}

/** The adapters' sources; a single entry of a list is for all of them. */
async function oneByOne(
  source: IPAdapterSources,
  subfolder: string | readonly string[] | undefined,
  weightName: string | readonly string[] | undefined,
): Promise<readonly OneSource[]> {
  const lists = { source: [source].flat(), subfolder: [subfolder ?? []].flat(), weightName: [weightName ?? []].flat() };
  const count = Math.max(...Object.values(lists).map(({ length }) => length));
  for (const [name, { length }] of Object.entries(lists)) {
    if (length <= 1 || length === count) continue;
    throw new ArgumentError(`${length} were given as ${name} for ${count} IP-Adapters; expected one, or one for each`, { argument: name });
  }
  const at = <T>(list: readonly T[], i: number) => (list.length > 1 ? list[i] : list[0]);
  const found = await Promise.all(lists.source.map((each) => findSource(each as string | Folder)));
  return Array.from({ length: count }, (_, i) => ({
    source: at(found, i) as FoundSource,
    subfolder: at(lists.subfolder, i),
    weightName: at(lists.weightName, i),
  }));
}

type EncoderOptions = Omit<NonNullable<Parameters<typeof CLIPVisionModelWithProjection.fromPretrained>[1]>, "subfolder"> & {
  readonly isNeeded: boolean;
};

/** The image encoder of an adapter's source. @throws CheckpointError if there is none and one is needed. */
async function openImageEncoder(
  { source, subfolder = "" }: OneSource,
  folder: string,
  { isNeeded, ...options }: EncoderOptions,
): Promise<CLIPVisionModelWithProjection | undefined> {
  const open = (from: string | Folder, path?: string) =>
    CLIPVisionModelWithProjection.fromPretrained(from, { ...options, subfolder: path });
  const beside = [...(subfolder ? [subfolder] : []), folder].join("/");
  const path = folder.includes("/") ? folder : beside;
  if (source.place === "hub") {
    const file = source.kind === "file" ? source.file : undefined;
    const id = source.kind === "file" ? source.file.id : source.id;
    const directory = file?.path.replace(/[^/]*$/, "") ?? "";
    try {
      return await open(id, folder.includes("/") ? folder : `${directory}${path}`);
    } catch (error) {
      const isAbsent = error instanceof CheckpointError || (error instanceof HubError && error.problem === "file-not-found");
      if (!isNeeded && isAbsent) return undefined;
      throw error;
    }
  }
  const root = source.place === "nowhere" ? undefined : source.folder;
  if (root && (await root.open(path).has("config.json"))) return open(root, path);
  if (folder.includes("/")) return open(folder);
  if (!isNeeded) return undefined;
  throw new CheckpointError(`${root?.name ?? source.name}/${path} does not exist; an IP-Adapter needs its image encoder`, {
    hint: 'give its folder as imageEncoderFolder, such as "models/image_encoder", or null to give ipAdapterImageEmbeds in place of pictures',
  });
}

async function featureExtractorOf(
  encoder: CLIPVisionModelWithProjection | null,
  own: ComponentSource | undefined,
): Promise<CLIPImageProcessor> {
  if (own?.has("feature_extractor")) return own.load("feature_extractor", FEATURE_EXTRACTORS, undefined);
  const size = encoder?.config.imageSize ?? 224;
  return new CLIPImageProcessor({ size, cropSize: size });
}

/** Loads the LoRA that a file of FaceID may have, as diffusers does: it becomes the only active one. */
function addLora(name: string, { layers: weights }: IPAdapterFile, unet: UNet2DConditionModel): void {
  if (unet.adapters.names.includes(name)) return;
  const [selfs, crosses] = [attentionPaths(unet.weights, "attn1"), attentionPaths(unet.weights, "attn2")];
  const paths = crosses.flatMap((cross, i) => [selfs[i] ?? "", cross]);
  const changes = new Map<string, LayerChange>();
  for (const [i, path] of paths.entries()) {
    for (const layer of ["to_q", "to_k", "to_v", "to_out"]) {
      const [down, up] = [`${i}.${layer}_lora.down.weight`, `${i}.${layer}_lora.up.weight`];
      if (!weights.has(down) || !weights.has(up)) continue;
      const weight = { method: "lora", down: weights.get(down), up: weights.get(up), scale: 1 } as const;
      changes.set(`${path}.${layer === "to_out" ? "to_out.0" : layer}`, { weight });
    }
  }
  if (changes.size > 0) unet.adapters.add(name, changes);
}

/** The UNet's inputs that pictures make at turn `index` of the loop. */
export type ImageConditioning = (index: number) => IPAdapterInputs;

/** The UNet's inputs that a call's pictures make; undefined without IP-Adapters. @throws ArgumentError */
export async function imageConditioning(
  pipe: IPAdapterParts,
  { request, batch, isGuided, guidance }: Call<IPAdapterOptions & SteeringOptions>,
  { unconditionalParts, ...size }: Size & Pick<EmbedsCall, "unconditionalParts">,
): Promise<ImageConditioning | undefined> {
  const { ipAdapterImage, ipAdapterMasks } = request;
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
    };
    made.set(isGuidedNow, inputs);
    return inputs;
  };
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
    throw new ArgumentError((name) => `${name(argument)} is for ${count} IP-Adapters; ${projections.length} are loaded`, {
      argument,
      hint: "give a list with an entry for each adapter; several pictures of one adapter are a list in that list: [[a, b]]",
    });
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
      hint: "load the adapter with its imageEncoderFolder, or give ipAdapterImageEmbeds",
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

function scaleElsewhere(option: string): string | undefined {
  return ["scale", "weight", "strength", "ipAdapterScale"].includes(option)
    ? "an IP-Adapter's scale is set by setIPAdapterScale(scale)"
    : undefined;
}
