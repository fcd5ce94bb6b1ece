import type { JSONObject } from "@ai-sdk/provider";

/** Where pictures are made: on this machine, or on a server. */
export interface Backend {
  /** The name of the model of a request that names none. */
  readonly defaultModel: string;
  /** Makes the pictures of a request. @throws the signal's reason */
  makePictures(order: PictureOrder): Promise<MadePictures>;
  /** Side in pixels of the pictures that the model was trained on; undefined if that is not known. */
  sideOf(order: PictureOrder): Promise<number | undefined>;
  dispose(): Promise<void>;
}

/** Pictures to make. */
export interface PictureOrder {
  /** Undefined for the default model. */
  readonly model: string | undefined;
  /** Options of `darkroom/generate`, but for `model`. Pictures are bytes. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly output: { readonly format: PictureFormat; readonly quality?: number | undefined };
  readonly signal: AbortSignal | undefined;
  /** Of this call, for a server. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export const PICTURE_FORMATS = ["png", "jpeg", "webp"] as const;
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

export interface MadePictures {
  readonly pictures: readonly MadePicture[];
  /** The model's name. */
  readonly model: string;
  readonly settings: JSONObject;
  readonly warnings: readonly string[];
  /** A server's. */
  readonly headers?: Record<string, string> | undefined;
}

export interface MadePicture {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Digits. */
  readonly seed: string;
  readonly parameters: string;
}
