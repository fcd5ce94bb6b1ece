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

/** The shape of errors by method and path. Everything else has ours. */
const SHAPES: readonly (readonly [routes: RegExp, shape: ErrorShape])[] = [
  [/ \/v1\//, openaiError],
  [/ \/(?:sdapi|controlnet|internal)\//, a1111Error],
  // GET / is the page.
  [/^POST \/$| \/hf(?:\/|$)| \/models\//, huggingfaceError],
];

/** How errors of a route look. */
export function errorShapeOf(method: string, path: string): ErrorShape {
  return SHAPES.find(([routes]) => routes.test(`${method} ${path}`))?.[1] ?? ownError;
}
