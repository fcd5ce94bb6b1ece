import { a1111Error } from "./a1111/errors.js";
import type { HttpError } from "./http-error.js";
import { huggingfaceError } from "./huggingface/errors.js";

/** The body of an error. */
export type ErrorShape = (error: HttpError) => object;

/** OpenAI's shape, and ours with a hint of its own. */
export function openaiError(error: HttpError): object {
  return { error: { message: error.text, type: openaiType(error), param: error.param ?? null, code: error.code } };
}

function ownError({ message, hint, param, code }: HttpError): object {
  return { error: { message, hint, param, code } };
}

function openaiType({ status }: HttpError): string {
  if (status === 401) return "authentication_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** The shape of errors by the start of a path. Everything else has ours. */
const SHAPES: readonly (readonly [start: string, shape: ErrorShape])[] = [
  ["/v1/", openaiError],
  ["/sdapi/", a1111Error],
  ["/controlnet/", a1111Error],
  ["/hf", huggingfaceError],
  ["/models/", huggingfaceError],
];

/** How errors of a path look. */
export function errorShapeOf(path: string): ErrorShape {
  return SHAPES.find(([start]) => path.startsWith(start))?.[1] ?? ownError;
}
