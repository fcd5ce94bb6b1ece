import {
  type ImageModelV3CallOptions,
  type ImageModelV3File,
  InvalidArgumentError,
  type JSONObject,
  type SharedV3Warning,
} from "@ai-sdk/provider";
import { convertBase64ToUint8Array, downloadBlob } from "@ai-sdk/provider-utils";
import { type Size, sizeOfRatio } from "./aspect-ratio.js";
import { type Backend, PICTURE_FORMATS, type PictureFormat, type PictureOrder } from "./backend.js";
import { repaintMask } from "./repaint-mask.js";

/** A call of the AI SDK in Darkroom's terms. */
export interface ImageRequest {
  readonly order: PictureOrder;
  /** What the call asks for that is done otherwise. */
  readonly warnings: SharedV3Warning[];
}

/** Short names for options of `darkroom/generate`. */
const SHORT_NAMES: Readonly<Record<string, string>> = { steps: "numInferenceSteps", guidance: "guidanceScale" };

/** Where the call itself says what `providerOptions.darkroom` would say a second time. */
const PLACES: Readonly<Record<string, string>> = {
  model: "the model: darkroom.image(NAME)",
  prompt: "prompt",
  numImagesPerPrompt: "n",
  seed: "seed",
  width: "size",
  height: "size",
  image: "prompt.images",
  maskImage: "prompt.mask",
};

/** @throws InvalidArgumentError for what makes no sense whatever the model is */
export async function imageRequest(model: string | undefined, call: ImageModelV3CallOptions, backend: Backend): Promise<ImageRequest> {
  const warnings: SharedV3Warning[] = [];
  const { format, quality, ...options } = call.providerOptions.darkroom ?? {};
  const [file, ...others] = call.files ?? [];
  if (others.length > 0) {
    const details = `${others.length + 1} pictures were given; the first one is the picture to start from, the others are not used`;
    warnings.push({ type: "unsupported", feature: "files", details });
  }
  const given = {
    ...(call.prompt !== undefined && { prompt: call.prompt }),
    numImagesPerPrompt: call.n,
    ...(call.seed !== undefined && { seed: call.seed }),
    ...(call.size !== undefined && parseSize(call.size)),
    ...(file && { image: await bytesOf(file, call.abortSignal) }),
    ...(call.mask && { maskImage: repaintMask(await bytesOf(call.mask, call.abortSignal)) }),
  };
  const order: PictureOrder = {
    model,
    request: { ...fullNames(options, given), ...given },
    output: { format: formatOf(format), ...(quality !== undefined && { quality: quality as number }) },
    signal: call.abortSignal,
    headers: call.headers ?? {},
  };
  const size = await sizeFor(call.aspectRatio, order, backend, warnings);
  return { order: { ...order, request: { ...order.request, ...size } }, warnings };
}

/** Options by the names of `darkroom/generate`. */
function fullNames(options: JSONObject, given: object): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const full = Object.hasOwn(SHORT_NAMES, name) ? (SHORT_NAMES[name] ?? name) : name;
    const place = Object.hasOwn(PLACES, full) ? PLACES[full] : undefined;
    const isTwice = Object.hasOwn(given, full) || full === "model";
    if (place !== undefined && isTwice) throw wrong(name, `providerOptions.darkroom.${name} is said by ${place} already`);
    if (Object.hasOwn(named, full)) throw wrong(name, `providerOptions.darkroom has ${name} and ${full}, which are the same`);
    named[full] = value;
  }
  return named;
}

function formatOf(format: unknown): PictureFormat {
  const known = PICTURE_FORMATS.find((each) => each === (format ?? "png"));
  if (known) return known;
  throw wrong("format", `providerOptions.darkroom.format is ${JSON.stringify(format)}; expected ${PICTURE_FORMATS.join(", ")}`);
}

function parseSize(size: string): Size {
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(size) ?? [];
  if (width !== undefined && height !== undefined) return { width: Number(width), height: Number(height) };
  throw wrong("size", `size is ${JSON.stringify(size)}; expected WIDTHxHEIGHT, such as 512x512`);
}

/** The size that an aspect ratio asks for, with as many pixels as the model was trained on. */
async function sizeFor(
  aspectRatio: string | undefined,
  order: PictureOrder,
  backend: Backend,
  warnings: SharedV3Warning[],
): Promise<Size | undefined> {
  if (aspectRatio === undefined) return undefined;
  const [, across, down] = /^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec(aspectRatio) ?? [];
  const ratio = Number(across) / Number(down);
  if (!(ratio > 0 && ratio < Number.POSITIVE_INFINITY)) {
    throw wrong("aspectRatio", `aspectRatio is ${JSON.stringify(aspectRatio)}; expected WIDTH:HEIGHT, such as 16:9`);
  }
  const { width, height } = order.request;
  if (width !== undefined || height !== undefined) {
    warnings.push({ type: "unsupported", feature: "aspectRatio", details: "the size is given, too: it decides" });
    return undefined;
  }
  const side = await backend.sideOf(order);
  if (side === undefined) {
    const details = "the model's usual size is not known before its first picture; give the size instead";
    warnings.push({ type: "unsupported", feature: "aspectRatio", details });
    return undefined;
  }
  const size = sizeOfRatio(ratio, side);
  if (Math.abs(size.width / size.height / ratio - 1) > 0.01) {
    const details = `sides are multiples of 8: pictures are ${size.width}x${size.height}, not quite ${aspectRatio}`;
    warnings.push({ type: "compatibility", feature: "aspectRatio", details });
  }
  return size;
}

async function bytesOf(file: ImageModelV3File, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (file.type === "file") return typeof file.data === "string" ? convertBase64ToUint8Array(file.data) : file.data;
  const blob = await downloadBlob(file.url, { ...(signal && { abortSignal: signal }) });
  return new Uint8Array(await blob.arrayBuffer());
}

function wrong(argument: string, message: string): InvalidArgumentError {
  return new InvalidArgumentError({ argument, message });
}
