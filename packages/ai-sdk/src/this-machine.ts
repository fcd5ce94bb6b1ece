import { AISDKError } from "@ai-sdk/provider";
import type { Backend, MadePictures, PictureOrder } from "./backend.js";
import { type Library, OpenModels } from "./open-models.js";
import type { DarkroomLocalOptions } from "./provider.js";

/** Makes pictures with the package `darkroom`, which is loaded for the first picture. */
export class ThisMachine implements Backend {
  readonly defaultModel = "emoji-128";
  readonly #options: DarkroomLocalOptions;
  #models: Promise<OpenModels> | undefined;

  constructor(options: DarkroomLocalOptions) {
    this.#options = options;
  }

  async makePictures(order: PictureOrder): Promise<MadePictures> {
    return (await this.#load()).makePictures(order);
  }

  async sideOf(order: PictureOrder): Promise<number | undefined> {
    return (await this.#load()).sideOf(order);
  }

  async dispose(): Promise<void> {
    const models = this.#models;
    this.#models = undefined;
    await (await models)?.dispose();
  }

  #load(): Promise<OpenModels> {
    this.#models ??= this.#import();
    return this.#models;
  }

  async #import(): Promise<OpenModels> {
    try {
      return new OpenModels(await loadLibrary(), this.#options);
    } catch (error) {
      this.#models = undefined;
      throw error;
    }
  }
}

/**
 * A program that uses a server has no library, and may run where Node's modules are missing. So bundlers must not mind that they are:
 * webpack is told by the comments, esbuild by each `catch`.
 */
async function loadLibrary(): Promise<Library> {
  const [{ AsyncLocalStorage }, darkroom, generate] = await Promise.all([
    import(/* webpackIgnore: true */ "node:async_hooks").catch(missing),
    import(/* webpackIgnore: true */ "darkroom").catch(missing),
    import(/* webpackIgnore: true */ "darkroom/generate").catch(missing),
  ]);
  return { ...darkroom, ...generate, AsyncLocalStorage };
}

function missing(cause: unknown): never {
  const message = "pictures on this machine need the package darkroom, which cannot be loaded: npm install darkroom";
  throw new AISDKError({ name: "AI_DarkroomMissingError", message, cause });
}
