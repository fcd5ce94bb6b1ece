import { ArgumentError } from "darkroom";
import type { GenerateRequest } from "darkroom/generate";
import { HttpError } from "./http-error.js";

/** What requests may ask for. Errors name the limit. The limit of waiting jobs is the queue's own. */
export interface Limits {
  /** Bytes of a request's body; 64 MiB by default. */
  readonly maxBodyBytes: number;
  /** Bytes of all bodies that are read or worked on at a time; 512 MiB by default. */
  readonly maxUploadBytes: number;
  /** Characters of a prompt; 10,000 by default. */
  readonly maxPromptLength: number;
  /** Pixels of a picture to make; 2048x2048 by default. */
  readonly maxPixels: number;
  /** Pixels of a picture that is sent; 50 million by default. */
  readonly maxPicturePixels: number;
  /** Denoising steps; 1000 by default. */
  readonly maxSteps: number;
  /** Pictures of one request; 100 by default. */
  readonly maxBatch: number;
  /** Connections that read the events of jobs at a time; 1000 by default. */
  readonly maxEventStreams: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxBodyBytes: 64 * 2 ** 20,
  maxUploadBytes: 512 * 2 ** 20,
  maxPromptLength: 10_000,
  maxPixels: 2048 * 2048,
  maxPicturePixels: 50_000_000,
  maxSteps: 1000,
  maxBatch: 100,
  maxEventStreams: 1000,
};

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What a model makes of a request's sides, and its sides where the request has none. */
export interface UsualSize {
  /** The size of the picture that it starts from. */
  readonly start?: Size | undefined;
  /** Side in pixels of the model's pictures. */
  readonly side?: number | undefined;
  /** How many times as wide and high as its sides the new picture is; 1 by default. */
  readonly enlarges?: number | undefined;
}

/** Checks the numbers of a request. @throws ArgumentError */
export function checkLimits(request: GenerateRequest, limits: Limits, { start, side = 0, enlarges = 1 }: UsualSize = {}): void {
  for (const option of ["prompt", "negativePrompt"] as const) {
    const length = request[option]?.length ?? 0;
    if (length > limits.maxPromptLength) {
      throw new ArgumentError((name) => `${name(option)} has ${length} characters; ${atMost("maxPromptLength", limits)}`, {
        argument: option,
      });
    }
  }
  atMostFor("numInferenceSteps", request.numInferenceSteps, "maxSteps", limits);
  for (const option of ["timesteps", "sigmas"] as const) {
    if ((request[option]?.length ?? 0) <= limits.maxSteps) continue;
    throw new ArgumentError((name) => `${name(option)} has ${request[option]?.length} values; ${atMost("maxSteps", limits)}`, {
      argument: option,
    });
  }
  atMostFor("numImagesPerPrompt", request.numImagesPerPrompt, "maxBatch", limits);
  const { hires } = request;
  if ((hires?.steps ?? 0) > limits.maxSteps) {
    throw new ArgumentError((name) => `${name("hires.steps")} is ${hires?.steps}; ${atMost("maxSteps", limits)}`, { argument: "hires" });
  }
  const first = { width: request.width ?? start?.width ?? side, height: request.height ?? start?.height ?? side };
  const { width, height } = hires ? afterHires(first, hires) : { width: first.width * enlarges, height: first.height * enlarges };
  if (width * height <= limits.maxPixels) return;
  if (hires) {
    throw new ArgumentError(
      (name) => `${name("hires")} would make ${width}x${height}, ${width * height} pixels; ${atMost("maxPixels", limits)}`,
      {
        argument: "hires",
      },
    );
  }
  const hint = start === undefined ? undefined : "a smaller width and height scale the picture down";
  const made = enlarges === 1 ? "a picture" : `a picture ${enlarges} times as wide and high,`;
  throw new ArgumentError(`${made} of ${width}x${height} has ${width * height} pixels; ${atMost("maxPixels", limits)}`, {
    argument: request.width === undefined && start !== undefined ? "image" : "width",
    hint,
  });
}

/** The size after a second pass. */
function afterHires(first: Size, { scale = 2, width, height }: NonNullable<GenerateRequest["hires"]>): Size {
  if (width !== undefined && height !== undefined) return { width, height };
  const share = { width: width && width / first.width, height: height && height / first.height };
  const factor = share.width ?? share.height ?? scale;
  return { width: width ?? first.width * factor, height: height ?? first.height * factor };
}

/**
 * Checks the number of pictures before the request as a whole is checked, which knows only the library's own limit. @throws ArgumentError
 */
export function checkCount({ numImagesPerPrompt: count }: { readonly numImagesPerPrompt?: unknown }, { maxBatch }: Limits): void {
  if (count === undefined || count === null || (Number.isInteger(count) && Number(count) >= 1)) return;
  throw new ArgumentError(
    (name) =>
      `${name("numImagesPerPrompt")} is ${JSON.stringify(count)?.slice(0, 100)}; expected a whole number from 1 to ${maxBatch} (limit: maxBatch)`,
    {
      argument: "numImagesPerPrompt",
    },
  );
}

function atMostFor(option: "numInferenceSteps" | "numImagesPerPrompt", value: number | undefined, limit: keyof Limits, limits: Limits) {
  if (value === undefined || value <= limits[limit]) return;
  throw new ArgumentError((name) => `${name(option)} is ${value}; ${atMost(limit, limits)}`, { argument: option });
}

/** The words about a limit in an error. */
export function atMost(limit: keyof Limits, limits: Limits): string {
  return `this server takes at most ${limits[limit]} (limit: ${limit})`;
}

/** The error for a body with more bytes than allowed. */
export function bodyTooLarge(limits: Limits): HttpError {
  return new HttpError(413, `the request's body is too large; ${atMost("maxBodyBytes", limits)} bytes`, { code: "body_too_large" });
}
