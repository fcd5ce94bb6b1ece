import type { HttpError } from "../http-error.js";

/** An error in the shape that Hugging Face's clients read. */
export function huggingfaceError(error: HttpError): object {
  return { error: error.text };
}
