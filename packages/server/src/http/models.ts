import type { GenerateRequest } from "darkroom/generate";

/** What the HTTP APIs know of a model. */
export interface ModelInfo {
  readonly name: string;
  /** "Stable Diffusion XL". */
  readonly family?: string | undefined;
  /** Side in pixels of the pictures it was trained on. */
  readonly size?: number | undefined;
  /** Its defaults by what a picture starts from: "noise", "image", "mask", "controlnet-noise", ... */
  readonly defaults?:
    | {
        readonly takesPrompt: boolean;
        readonly starts: Readonly<Partial<Record<string, { readonly steps: number }>>>;
        /** How many times as wide and high as the given picture the new one is. */
        readonly enlarges?: number | undefined;
      }
    | undefined;
}

/** The models that requests can name. */
export interface Models {
  /** The name of the model for requests that name none. */
  readonly defaultModel: string;
  readonly modelNames: readonly string[];
  /** Autoencoders for a request's `vae`. */
  readonly vaeNames: readonly string[];
  /** Networks for a request's `controlnet`. */
  readonly controlnetNames: readonly string[];
  /** Upscalers for the second pass, a request's `hires.upscaler`. */
  readonly upscalerNames: readonly string[];
  /** LoRAs as they are now. */
  loras(): Promise<readonly { readonly name: string }[]>;
  /** Embeddings as they are now. */
  embeddings(): Promise<readonly { readonly name: string }[]>;
  /** All models, for lists. */
  models(): Promise<readonly ModelInfo[]>;
  /** One model; undefined if there is none of this name. */
  model(name: string): Promise<ModelInfo | undefined>;
  /**
   * Checks that everything a request names is offered.
   * @throws ArgumentError
   */
  check(model: string, request: GenerateRequest): Promise<void>;
}
