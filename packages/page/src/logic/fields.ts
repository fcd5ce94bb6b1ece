import type { Format } from "../api/types.js";

/** A LoRA with its weight as it was typed. */
export interface LoraField {
  readonly name: string;
  readonly weight: string;
  /** From a job of another client. */
  readonly unetWeight?: number;
}

/**
 * The form, by the names that its fields have in requests. Numbers are texts as they were typed; an empty one stands for the model's
 * default.
 */
export interface Fields {
  /** Empty for the server's default. */
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly width: string;
  readonly height: string;
  readonly numInferenceSteps: string;
  readonly guidanceScale: string;
  readonly strength: string;
  /** Empty for a random one. */
  readonly seed: string;
  readonly numImagesPerPrompt: string;
  /** Empty for the model's. */
  readonly scheduler: string;
  readonly format: Format;
  /** Of JPEG and WebP. */
  readonly quality: string;
  /** Empty for none. */
  readonly controlnet: string;
  readonly controlnetConditioningScale: string;
  readonly loras: readonly LoraField[];
  /** Options of a job whose settings are used again, for which the form has no field. */
  readonly others: Readonly<Record<string, unknown>>;
}

export const EMPTY_FIELDS: Fields = {
  model: "",
  prompt: "",
  negativePrompt: "",
  width: "",
  height: "",
  numInferenceSteps: "",
  guidanceScale: "",
  strength: "",
  seed: "",
  numImagesPerPrompt: "1",
  scheduler: "",
  format: "png",
  quality: "",
  controlnet: "",
  controlnetConditioningScale: "",
  loras: [],
  others: {},
};

/** The fields in a text that was stored, whatever became of it meanwhile. */
export function parseFields(text: string | null): Fields {
  let stored: Partial<Record<keyof Fields, unknown>>;
  try {
    stored = JSON.parse(text ?? "{}") ?? {};
  } catch {
    return EMPTY_FIELDS;
  }
  const known = Object.entries(EMPTY_FIELDS).map(([name, empty]) => {
    const value = stored[name as keyof Fields];
    const fits = typeof value === typeof empty && value !== null && Array.isArray(value) === Array.isArray(empty);
    return [name, fits ? value : empty];
  });
  const fields = Object.fromEntries(known) as Fields;
  return { ...fields, loras: fields.loras.filter((lora) => typeof lora?.name === "string" && typeof lora.weight === "string") };
}
