import { formatParameters, readPictureSettings } from "darkroom";
import * as v from "valibot";
import { HttpError } from "../http-error.js";
import { atMost, type Limits, type Size } from "../limits.js";
import { checkPicture } from "../picture-file.js";
import { prepareRequest } from "../prepare-request.js";
import { runJob } from "../run-job.js";
import type { ServerContext } from "../server-context.js";
import { anything, described, flag, jsonOf, list, readFields, real, text, whole } from "./fields.js";
import { UPSCALERS, upscalerNotFound } from "./hires.js";
import { type Fit, type Raster, readPicture, resized, toBase64 } from "./raster.js";

const EXTRAS = {
  resize_mode: described("0, the default, makes it larger by upscaling_resize; 1 fills a width and a height.", whole(0)),
  gfpgan_visibility: described("Refused above 0: there is no GFPGAN.", real()),
  codeformer_visibility: described("Refused above 0: there is no CodeFormer.", real()),
  upscaling_resize: described("How much larger; 2 by default.", real(0)),
  upscaling_resize_w: described("Width in pixels, for resize_mode 1.", whole(0)),
  upscaling_resize_h: described("Height in pixels, for resize_mode 1.", whole(0)),
  upscaling_crop: described("Whether what is over is cut off, for resize_mode 1; true by default.", flag),
  upscaler_1: described("An upscaler of GET /sdapi/v1/upscalers. None, the default, leaves the picture as it is.", text),
  upscaler_2: described("The same upscaler, or None: two are not mixed.", text),
  extras_upscaler_2_visibility: described("The share of upscaler_2.", real()),
};

const PICTURE = "A picture: its file in base64, or a data URL.";

const SINGLE_FIELDS = { ...EXTRAS, image: described(PICTURE, anything) };
const BATCH_FIELDS = { ...EXTRAS, imageList: described("Pictures: { data, name } for each, data as in image.", list) };

const SINGLE = v.object(SINGLE_FIELDS);
const BATCH = v.object(BATCH_FIELDS);
const BATCH_PICTURE = v.object({ data: anything, name: text });

type Extras = Omit<v.InferOutput<typeof SINGLE>, "image">;

/** Who asks for pictures to be made larger: jobs of upscalers' networks are theirs. */
export interface ExtrasContext {
  readonly server: ServerContext;
  readonly owner: string;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

/** The reply of `/sdapi/v1/extra-single-image`: the picture made larger. @throws HttpError, ArgumentError, JobFailed, ClientGone */
export async function extraSingleImage(given: unknown, context: ExtrasContext): Promise<Record<string, unknown>> {
  const body = readFields(SINGLE, given);
  return { html_info: "", image: await larger(body.image, "image", body, context) };
}

/** The reply of `/sdapi/v1/extra-batch-images`. @throws HttpError, ArgumentError, JobFailed, ClientGone */
export async function extraBatchImages(given: unknown, context: ExtrasContext): Promise<Record<string, unknown>> {
  const { imageList: entries = [], ...body } = readFields(BATCH, given);
  const { limits } = context.server;
  if (entries.length > limits.maxBatch) {
    throw invalid(`imageList holds ${entries.length} pictures; ${atMost("maxBatch", limits)}`, "imageList");
  }
  const images: string[] = [];
  for (const entry of entries) images.push(await larger(readFields(BATCH_PICTURE, entry).data, "imageList", body, context));
  return { html_info: "", images };
}

async function larger(given: unknown, field: string, extras: Extras, context: ExtrasContext): Promise<string> {
  const { models, limits } = context.server;
  const upscaler = upscalerOf(extras, models.upscalerNames);
  const picture = await readPicture(given, field, limits);
  if (upscaler === "None") return toBase64(picture);
  const isNetwork = !isWithoutNetwork(upscaler);
  const { size, fit } = sizeOf(picture, extras, isNetwork ? "maxPixels" : "maxPicturePixels", limits);
  if (isNetwork) return byNetwork(picture, size, upscaler, context);
  return toBase64(await resized(picture, size, fit, upscaler === "Nearest" ? "nearest" : "lanczos3"));
}

/** The picture made larger by an upscaler, in a process of models: a job whose second pass repaints nothing. */
async function byNetwork(picture: Raster, { width, height }: Size, upscaler: string, context: ExtrasContext): Promise<string> {
  const { server, owner, signal } = context;
  const model = server.models.defaultModel;
  // In tiles, a picture has any size.
  const hires = { width, height, upscaler, strength: 0, tile: TILE };
  const request = await prepareRequest(server, model, { prompt: "", image: await toBase64(picture), hires });
  const job = { door: "a1111", model, request, output: { format: "png" }, previewEvery: 0 } as const;
  const { pictures } = await runJob(server, job, { owner, signal });
  return Buffer.from(pictures[0]?.data ?? []).toString("base64");
}

const TILE = 512;

/**
 * The new size: by a factor, or so that a width and a height are filled, cut off at what is over or not. Sides are multiples of 8, as the
 * web UI's.
 */
function sizeOf(picture: Raster, extras: Extras, limit: PixelLimit, limits: Limits): { readonly size: Size; readonly fit: Fit } {
  const { resize_mode: mode = 0, upscaling_resize: factor = 2, upscaling_resize_w: width = 512, upscaling_resize_h: height = 512 } = extras;
  const scale = mode === 1 ? Math.max(width / picture.width, height / picture.height) : factor;
  const isCut = mode === 1 && (extras.upscaling_crop ?? true);
  const size = isCut ? { width, height } : { width: side(picture.width * scale), height: side(picture.height * scale) };
  expectSize(size, mode === 1 ? "upscaling_resize_w" : "upscaling_resize", limit, limits);
  return { size, fit: isCut ? "crop" : "stretch" };
}

function side(pixels: number): number {
  return Math.max(Math.floor(pixels / 8) * 8, 8);
}

type PixelLimit = "maxPixels" | "maxPicturePixels";

function expectSize({ width, height }: Size, field: string, limit: PixelLimit, limits: Limits): void {
  if (width < 1 || height < 1) throw invalid(`${field} makes a picture of ${width}x${height}`, field);
  if (width * height <= limits[limit]) return;
  throw invalid(`${field} makes a picture of ${width}x${height}, ${width * height} pixels; ${atMost(limit, limits)}`, field);
}

/** @throws HttpError for an upscaler or a face restorer that the server does not have */
function upscalerOf(extras: Extras, offered: readonly string[]): string {
  const { upscaler_1: name = "None", upscaler_2: second = "None", extras_upscaler_2_visibility: share = 0 } = extras;
  const find = (given: string) => [...offered, ...UPSCALERS].find((each) => each.toLowerCase() === (given || "None").toLowerCase());
  if ((extras.gfpgan_visibility ?? 0) > 0) throw invalid("this server has no GFPGAN", "gfpgan_visibility");
  if ((extras.codeformer_visibility ?? 0) > 0) throw invalid("this server has no CodeFormer", "codeformer_visibility");
  if (share > 0 && find(second) !== find(name)) throw invalid("two upscalers are not mixed here", "upscaler_2");
  const found = find(name);
  if (found === undefined) throw upscalerNotFound("upscaler_1", name, offered);
  return found;
}

function isWithoutNetwork(name: string): boolean {
  return UPSCALERS.some((each) => each === name);
}

const PNG_INFO_FIELDS = { image: described(PICTURE, anything) };

const PNG_INFO = v.object(PNG_INFO_FIELDS);

/** The reply of `/sdapi/v1/png-info`: the settings in a picture's file. @throws HttpError, ArgumentError */
export async function pngInfo(given: unknown, limits: Limits): Promise<Record<string, unknown>> {
  const { bytes } = await checkPicture(readFields(PNG_INFO, given).image, "image", limits);
  const { prompt, negativePrompt, settings, parameters, software } = await readPictureSettings(bytes);
  // Settings of other programs in the web UI's layout.
  const info = parameters ?? (software === undefined ? "" : formatParameters({ prompt, negativePrompt, settings }));
  if (info === "") return { info, items: {}, parameters: {} };
  return { info, items: { parameters: info }, parameters: { Prompt: prompt, "Negative prompt": negativePrompt, ...settings } };
}

function invalid(message: string, param: string): HttpError {
  return new HttpError(400, message, { code: `invalid_${param}`, param });
}

/** The fields of the bodies, as the document shows them. */
export const EXTRA_SCHEMAS = {
  "extra-single-image": jsonOf(SINGLE_FIELDS),
  "extra-batch-images": jsonOf(BATCH_FIELDS),
  "png-info": jsonOf(PNG_INFO_FIELDS),
};
