import type { ImageModelV3, ImageModelV3CallOptions, JSONObject } from "@ai-sdk/provider";
import type { Backend, MadePicture } from "./backend.js";
import type { DarkroomPictureMetadata } from "./image-options.js";
import { imageRequest } from "./image-request.js";

/** More pictures in one call are a typing error. Calls that the AI SDK splits would get the same seed. */
const MOST_PICTURES = 10_000;

/**
 * A model of the AI SDK's `generateImage`. The versions 6 and 7 of the AI SDK take this version of its specification; 7 calls it by a
 * proxy, which private fields (#) do not go through.
 */
export class DarkroomImageModel implements ImageModelV3 {
  readonly specificationVersion = "v3";
  readonly provider = "darkroom";
  readonly maxImagesPerCall = MOST_PICTURES;
  readonly supportsFileInputs = true;
  readonly supportsMaskInputs = true;
  readonly modelId: string;

  constructor(
    private readonly model: string | undefined,
    private readonly backend: Backend,
  ) {
    this.modelId = model ?? backend.defaultModel;
  }

  async doGenerate(options: ImageModelV3CallOptions): Promise<Awaited<ReturnType<ImageModelV3["doGenerate"]>>> {
    const timestamp = new Date();
    const { order, warnings } = await imageRequest(this.model, options, this.backend);
    const made = await this.backend.makePictures(order);
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
