import type { JSONObject, JSONValue } from "@ai-sdk/provider";

/**
 * `providerOptions.darkroom`: all options of a request of `darkroom/generate`, by its names, which docs/generate.md describes. The options
 * below are those that are used most.
 */
export interface DarkroomImageOptions {
  /** What the picture should not show; nothing by default. */
  negativePrompt?: string;
  /** Denoising steps, `numInferenceSteps`; the checkpoint's number by default. */
  steps?: number;
  /** How strongly the picture follows the prompt, `guidanceScale`; 1 and less is off. The checkpoint's by default. */
  guidance?: number;
  /** Scheduler, by class or short name, such as euler-a. The checkpoint's by default. */
  scheduler?: string;
  /** How much of a picture to start from is changed, from 0 to 1. */
  strength?: number;
  /** LoRAs, in order. A server takes the names of those that it has. */
  loras?: DarkroomLora[];
  /** How pictures are encoded; png by default. */
  format?: "png" | "jpeg" | "webp";
  /** Quality of JPEG and WebP, from 1 to 100. */
  quality?: number;
  /** Every other option of a request. */
  [option: string]: JSONValue | undefined;
}

/** A LoRA to use. */
export interface DarkroomLora extends JSONObject {
  /** Its name; on this machine, that of its file by default. */
  name?: string;
  /** On this machine only: file, folder or hub id. */
  source?: string;
  /** How strongly it acts; 1 by default. */
  weight?: number;
}

/** `providerMetadata.darkroom` of one picture. */
export interface DarkroomPictureMetadata extends JSONObject {
  /** Makes the same picture again. A text of digits above 2^53 - 1. */
  seed: number | string;
  /** Width in pixels. */
  width: number;
  /** Height in pixels. */
  height: number;
  /** The settings as AUTOMATIC1111's web UI writes them. */
  parameters: string;
  /** What the run worked with: scheduler, steps, guidance, device and others, as the settings of `darkroom/generate`. */
  settings: JSONObject;
}
