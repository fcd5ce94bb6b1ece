import type { ImageModelV4, ImageModelV4CallOptions, ImageModelV4Result, JSONObject } from "@ai-sdk/provider";
import type { Backend, MadePicture } from "./backend.js";
import type { DarkroomPictureMetadata } from "./image-options.js";
import { imageRequest } from "./image-request.js";

/** More pictures in one call are a typing error. Calls that the AI SDK splits would get the same seed. */
const MOST_PICTURES = 10_000;

/** A model of the AI SDK's `generateImage`. */
export class DarkroomImageModel implements ImageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "darkroom";
  readonly maxImagesPerCall = MOST_PICTURES;
  readonly supportsFileInputs = true;
  readonly supportsMaskInputs = true;
  readonly modelId: string;
  readonly #model: string | undefined;
  readonly #backend: Backend;

  constructor(model: string | undefined, backend: Backend) {
    this.modelId = model ?? backend.defaultModel;
    this.#model = model;
    this.#backend = backend;
  }

  async doGenerate(options: ImageModelV4CallOptions): Promise<ImageModelV4Result> {
    const timestamp = new Date();
    const { order, warnings } = await imageRequest(this.#model, options, this.#backend);
    const made = await this.#backend.makePictures(order);
    return {
      images: made.pictures.map(({ bytes }) => bytes),
      warnings: [...warnings, ...made.warnings.map((message) => ({ type: "other" as const, message }))],
      response: { timestamp, modelId: made.model, headers: made.headers },
      providerMetadata: { darkroom: { images: made.pictures.map((picture) => metadataOf(picture, made.settings)) } },
    };
  }
}

function metadataOf({ seed, width, height, parameters }: MadePicture, { seeds: _, ...settings }: JSONObject): DarkroomPictureMetadata {
  const number = Number(seed);
  return { seed: Number.isSafeInteger(number) ? number : seed, width, height, parameters, settings };
}
