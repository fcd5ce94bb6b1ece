import { type ImageModelV3, InvalidArgumentError, NoSuchModelError, type ProviderV3 } from "@ai-sdk/provider";
import type { Backend } from "./backend.js";
import { DarkroomImageModel } from "./image-model.js";
import { ServerBackend } from "./server-backend.js";
import { ThisMachine } from "./this-machine.js";

/** Options of {@link createDarkroom} for pictures that a Darkroom server makes. */
export interface DarkroomServerOptions {
  /** The server's address, such as `http://127.0.0.1:7860`. */
  readonly baseURL: string;
  /** One of the server's keys; DARKROOM_API_KEY by default. */
  readonly apiKey?: string | undefined;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sends requests; the global one by default. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** Options of {@link createDarkroom} for pictures that this machine makes. They are those of `openWorkflow` in `darkroom/generate`. */
export interface DarkroomLocalOptions {
  readonly baseURL?: undefined;
  /** Where to run; auto, the default, takes a GPU if there is one. */
  readonly device?: string | undefined;
  /** exact, the default, or fast: quicker, not quite the same picture. */
  readonly precision?: "exact" | "fast" | undefined;
  /** Saves memory at the cost of time; the same picture. false by default. */
  readonly lowMemory?: boolean | undefined;
  /** Folder of downloads; that of Hugging Face's tools by default. */
  readonly cacheDir?: string | undefined;
  /** Uses downloaded files only, never the network. */
  readonly localFilesOnly?: boolean | undefined;
  /** Models that are kept in memory when they are not used; 1 by default. */
  readonly keepOpen?: number | undefined;
}

const SERVER_OPTIONS: Readonly<Record<keyof DarkroomServerOptions, true>> = { baseURL: true, apiKey: true, headers: true, fetch: true };
const LOCAL_OPTIONS: Readonly<Record<keyof DarkroomLocalOptions, true>> = {
  baseURL: true,
  device: true,
  precision: true,
  lowMemory: true,
  cacheDir: true,
  localFilesOnly: true,
  keepOpen: true,
};

/** Image models for the AI SDK. */
export interface DarkroomProvider extends ProviderV3, AsyncDisposable {
  /**
   * An image model for `generateImage`. On this machine a folder, a single file, a hub id (OWNER/NAME) or emoji-128, the default; on a
   * server the name of one of its models, by default its first.
   */
  image(model?: string): ImageModelV3;
  /** The same as `image`. */
  imageModel(model: string): ImageModelV3;
  /** Frees the models that this machine has open. */
  dispose(): Promise<void>;
}

/**
 * Makes a provider for the AI SDK: with `baseURL` for a Darkroom server, without it for this machine, which needs the package `darkroom`.
 * @throws InvalidArgumentError for an option that makes no sense
 */
export function createDarkroom(options: DarkroomServerOptions | DarkroomLocalOptions = {}): DarkroomProvider {
  const known = options.baseURL === undefined ? LOCAL_OPTIONS : SERVER_OPTIONS;
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    const where = options.baseURL === undefined ? "this machine (without baseURL)" : "a server";
    const message = `createDarkroom has no option ${unknown} for ${where}; it has ${Object.keys(known).join(", ")}`;
    throw new InvalidArgumentError({ argument: unknown, message });
  }
  return providerOf(options.baseURL === undefined ? new ThisMachine(options) : new ServerBackend(options));
}

/** Image models on this machine, with the package `darkroom`. */
export const darkroom: DarkroomProvider = createDarkroom();

function providerOf(backend: Backend): DarkroomProvider {
  const image = (model?: string) => new DarkroomImageModel(model, backend);
  const dispose = () => backend.dispose();
  return {
    specificationVersion: "v3",
    image,
    imageModel: image,
    languageModel: (modelId) => {
      throw new NoSuchModelError({ modelId, modelType: "languageModel" });
    },
    embeddingModel: (modelId) => {
      throw new NoSuchModelError({ modelId, modelType: "embeddingModel" });
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
