import { ArgumentError } from "darkroom";
import { type NewJob, OUTPUT_FORMATS, type OutputOptions } from "../../jobs/job.js";
import { HttpError } from "../http-error.js";
import { atMost, type Limits } from "../limits.js";
import type { ModelInfo } from "../models.js";
import { checkPicture, type PictureFile } from "../picture-file.js";
import { prepareRequest } from "../prepare-request.js";
import type { ServerContext } from "../server-context.js";
import { choiceIn, flagIn, type GivenFields, optionsIn, wholeIn, wrong } from "./image-fields.js";
import { drawable, parseSize, sizeLike } from "./image-size.js";
import { maskOf, ownMaskOf } from "./mask.js";

/** Which of OpenAI's calls a request is. */
export type ImageCall = "generations" | "edits" | "variations";

/** A request to OpenAI's images API: the job, and how its pictures are sent. */
export interface ImageRequest {
  readonly job: NewJob;
  /** How finished pictures are sent: one way, or two. */
  readonly responseFormats: readonly ResponseFormat[];
  readonly isStream: boolean;
  /** Unfinished pictures that are sent of each picture. */
  readonly partialImages: number;
  /** As the request has it. */
  readonly quality: string;
  /** What the request asks for that is done otherwise. */
  readonly warnings: readonly string[];
}

/** Names that clients have built in. They mean the default model. */
const OPENAI_MODELS = /^(?:gpt-image|chatgpt-image|dall-e)-/;

/** How finished pictures can be sent. */
export const RESPONSE_FORMATS = ["b64_json", "url"] as const;

/** The words that clients of all OpenAI's models have for quality. low takes half the steps; the others are the model's own. */
export const QUALITIES = ["auto", "low", "medium", "high", "standard", "hd"] as const;

type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

/** Unfinished pictures that a stream can have of each picture. */
export const MOST_PARTIAL_IMAGES = 3;

/** Steps of a model that does not say how many it takes. */
const USUAL_STEPS = 20;

/** The job that a request asks for. @throws ArgumentError @throws HttpError */
export async function imageRequest(server: ServerContext, call: ImageCall, fields: GivenFields): Promise<ImageRequest> {
  const model = await modelOf(server, fields.model);
  const warnings: string[] = [];
  const pictures = await picturesOf(fields.image ?? fields.images, "image", server.limits);
  const [picture] = pictures;
  if (call !== "generations" && !picture) throw missing(call, "image", "a picture to start from");
  if (pictures.length > 1)
    warnings.push(`${pictures.length} pictures were sent; the first one is the picture to start from, the others are not used`);
  const masks = await picturesOf(fields.mask ?? fields.mask_image ?? fields.maskImage, "maskImage", server.limits);
  const [mask] = masks;
  if (masks.length > 1) throw new ArgumentError(`${masks.length} masks were sent; expected one`, { argument: "maskImage" });
  if (fields.background === "transparent")
    throw wrong("background", "transparent", "opaque or auto: no model here makes transparent pictures");
  const options = optionsIn(fields);
  const needsPrompt = call !== "variations" && model.defaults?.takesPrompt !== false;
  if (needsPrompt) checkPrompt(call, fields.prompt);
  choiceIn(fields, "quality", QUALITIES);
  const maskImage = mask ? await maskOf(mask.bytes) : call === "edits" && picture ? await ownMaskOf(picture.bytes) : undefined;
  if (mask && picture && !isAlike(mask, picture)) {
    warnings.push(`mask is ${sizeOf(mask)} and image ${sizeOf(picture)}: the mask is stretched to the picture's proportions`);
  }
  if (!mask && maskImage) warnings.push("image has transparent parts and there is no mask: the transparent parts are repainted");
  const steps = stepsOf(options, fields.quality, model, maskImage ? "mask" : picture ? "image" : "noise");
  const request = await prepareRequest(server, model.name, {
    ...(call === "variations" && model.defaults?.takesPrompt !== false && { prompt: "" }),
    ...options,
    ...sizeOptions(fields, options, picture, model, server.limits, warnings),
    ...(fields.quality === "low" && options.numInferenceSteps === undefined && { numInferenceSteps: steps }),
    ...(picture && { image: picture.bytes }),
    ...(maskImage && { maskImage }),
  });
  const partialImages = wholeIn(fields, "partial_images", 0, MOST_PARTIAL_IMAGES) ?? 0;
  const isStream = flagIn(fields, "stream");
  const stepsDone = picture && !maskImage ? steps * (request.strength ?? 0.8) : steps;
  return {
    job: {
      door: "openai",
      model: model.name,
      request,
      output: outputOf(fields, warnings),
      previewEvery: isStream && partialImages > 0 ? Math.max(1, Math.floor(stepsDone / (partialImages + 1))) : 0,
    },
    responseFormats: responseFormatsOf(fields),
    isStream,
    partialImages,
    quality: typeof fields.quality === "string" ? fields.quality : "auto",
    warnings,
  };
}

/** OpenAI's DALL-E models send addresses by default, their others bytes. Clients of the former get both. */
function responseFormatsOf(fields: GivenFields): readonly ResponseFormat[] {
  // Other servers' word for it.
  if (fields.response_format === "base64") return ["b64_json"];
  const chosen = choiceIn(fields, "response_format", RESPONSE_FORMATS);
  if (chosen !== undefined) return [chosen];
  return /^dall-e-/.test(String(fields.model)) ? RESPONSE_FORMATS : ["b64_json"];
}

/** @throws ArgumentError */
function checkPrompt(call: ImageCall, prompt: unknown): void {
  const what = "a text that says what the picture shows";
  if (prompt === undefined || prompt === null) throw missing(call, "prompt", what);
  if (Array.isArray(prompt)) {
    throw new ArgumentError(`prompt has ${prompt.length} values; expected one, ${what}`, { argument: "prompt" });
  }
  if (typeof prompt !== "string") {
    const kind = prompt instanceof Uint8Array ? "a file" : typeof prompt === "object" ? "an object" : `a ${typeof prompt}`;
    throw new ArgumentError(`prompt is ${kind}; expected ${what}`, { argument: "prompt" });
  }
}

/** Whether two pictures have the same proportions, but for the rounding of sides to whole pixels. */
function isAlike(a: PictureFile, b: PictureFile): boolean {
  return Math.abs((a.width * b.height) / (a.height * b.width) - 1) <= 0.02;
}

function sizeOf({ width, height }: PictureFile): string {
  return `${width}x${height}`;
}

function missing(call: ImageCall, field: string, what: string): ArgumentError {
  return new ArgumentError(`${call} needs ${field}: ${what}`, { argument: field });
}

async function picturesOf(value: unknown, option: string, limits: Limits): Promise<PictureFile[]> {
  const values = value === undefined || value === null || value === "" ? [] : Array.isArray(value) ? value : [value];
  const files: PictureFile[] = [];
  for (const each of values) files.push(await checkPicture(contentOf(each), option, limits));
  return files;
}

/** The model that a request names. @throws HttpError for a name that is neither ours nor built into clients */
export async function modelOf({ models }: Pick<ServerContext, "models">, name: unknown): Promise<ModelInfo> {
  const isDefault = name === undefined || name === null || name === "";
  const known = isDefault || (OPENAI_MODELS.test(String(name)) && !models.modelNames.includes(String(name)));
  const model = await models.model(known ? models.defaultModel : String(name));
  if (model) return model;
  throw new HttpError(404, `the model ${JSON.stringify(name).slice(0, 100)} does not exist`, {
    code: "model_not_found",
    param: "model",
    hint: `the models are ${models.modelNames.join(", ")}`,
  });
}

/** A picture in JSON can be an object around its text. */
function contentOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const { image_url: address, b64_json: text, url = address } = value as Readonly<Record<string, unknown>>;
  return text ?? (typeof url === "object" && url !== null && "url" in url ? url.url : url);
}

function sizeOptions(
  fields: GivenFields,
  options: Readonly<Record<string, unknown>>,
  picture: PictureFile | undefined,
  model: ModelInfo,
  limits: Limits,
  warnings: string[],
): object {
  const asked = parseSize(fields.size);
  if (asked) {
    const size = drawable(asked);
    const [pixels] = [asked, size].map(({ width, height }) => width * height).filter((count) => count > limits.maxPixels);
    if (pixels !== undefined) {
      throw new ArgumentError(`size is ${asked.width}x${asked.height}, ${pixels} pixels; ${atMost("maxPixels", limits)}`, {
        argument: "size",
      });
    }
    if (size.width !== asked.width || size.height !== asked.height) {
      warnings.push(`size is ${asked.width}x${asked.height}; sides are multiples of 8, so pictures are ${size.width}x${size.height}`);
    }
    return size;
  }
  const isOpen = options.width === undefined && options.height === undefined;
  return isOpen && picture && model.size !== undefined ? sizeLike(picture, model.size) : {};
}

function stepsOf(options: Readonly<Record<string, unknown>>, quality: unknown, model: ModelInfo, start: string): number {
  if (typeof options.numInferenceSteps === "number") return options.numInferenceSteps;
  const usual = model.defaults?.starts[start]?.steps ?? USUAL_STEPS;
  return quality === "low" ? Math.ceil(usual / 2) : usual;
}

function outputOf(fields: GivenFields, warnings: string[]): OutputOptions {
  const format = fields.output_format === "jpg" ? "jpeg" : (choiceIn(fields, "output_format", OUTPUT_FORMATS) ?? "png");
  const quality = wholeIn(fields, "output_compression", 0, 100);
  if (format === "png" && quality !== undefined && quality < 100) {
    warnings.push(`output_compression is ${quality}; it has no effect on png, which loses nothing`);
  }
  return { format, ...(quality !== undefined && format !== "png" && { quality: Math.max(1, quality) }) };
}
