import type { GenerateRequest } from "darkroom/generate";
import { HttpError } from "../http-error.js";

/** Bytes that files of pictures begin with, in base64: PNG, JPEG, GIF, WebP. */
const PICTURE = /^(?:data:image\/|iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/;

/**
 * The request in a body `{ inputs, parameters }`. For `textToImage` the inputs are the prompt, for `imageToImage` a picture in base64, and
 * the prompt is a parameter. Parameters are options of ours in snake_case; an unknown one is refused when the request is checked.
 * @throws HttpError
 */
export function taskRequest({ inputs, parameters = {} }: Readonly<Record<string, unknown>>): GenerateRequest {
  const { target_size: size, ...options } = objectOf(parameters ?? {}, "parameters");
  if (typeof inputs !== "string") throw invalid("inputs is missing; expected the prompt, or a picture in base64", "inputs");
  const isPicture = typeof options.prompt === "string" || PICTURE.test(inputs.trimStart());
  const given = Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), value]),
  );
  if (Number(given.numImagesPerPrompt ?? 1) !== 1) {
    throw invalid("num_images_per_prompt is not 1; the reply is one picture", "num_images_per_prompt");
  }
  const { width, height } = objectOf(size ?? {}, "target_size");
  return {
    ...given,
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(isPicture ? { prompt: String(given.prompt ?? ""), image: inputs } : { prompt: inputs }),
  } as GenerateRequest;
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  throw invalid(`${name} is not an object`, name);
}

function invalid(message: string, param: string): HttpError {
  return new HttpError(400, message, { code: `invalid_${param}`, param });
}
