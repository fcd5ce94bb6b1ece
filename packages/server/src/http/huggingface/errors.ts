import type { HttpError } from "../http-error.js";

/** What clients call an option of `darkroom/generate`: the same in snake_case. */
export function huggingfaceFieldName(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** An error in the shape that Hugging Face's clients read. */
export function huggingfaceError(error: HttpError): object {
  return { error: error.text };
}
