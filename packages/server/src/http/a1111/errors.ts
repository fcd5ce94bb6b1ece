import type { HttpError } from "../http-error.js";
import { InvalidFields } from "./fields.js";

/** The library's options under the web UI's names. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  clipSkip: "CLIP_stop_at_last_layers",
  controlGuidanceEnd: "alwayson_scripts.ControlNet.guidance_end",
  controlGuidanceStart: "alwayson_scripts.ControlNet.guidance_start",
  controlImage: "alwayson_scripts.ControlNet.image",
  controlnet: "alwayson_scripts.ControlNet.model",
  controlnetConditioningScale: "alwayson_scripts.ControlNet.weight",
  denoisingEnd: "refiner_switch_at",
  guidanceScale: "cfg_scale",
  guessMode: "alwayson_scripts.ControlNet.control_mode",
  image: "init_images",
  loras: "prompt",
  maskImage: "mask",
  model: "sd_model_checkpoint",
  negativePrompt: "negative_prompt",
  numImagesPerPrompt: "batch_size",
  numInferenceSteps: "steps",
  paddingMaskCrop: "inpaint_full_res_padding",
  refiner: "refiner_checkpoint",
  scheduler: "sampler_name",
  strength: "denoising_strength",
  timestepSpacing: "scheduler",
  vae: "sd_vae",
};

/** How the web UI calls an option of `darkroom/generate`. */
export function a1111FieldName(option: string): string {
  return FIELD_NAMES[option] ?? (option.startsWith("schedulerConfig") ? "scheduler" : option);
}

/** An error in the web UI's shape: `detail` is for people; wrong fields are a list, as FastAPI makes it. */
export function a1111Error(error: HttpError): object {
  if (error instanceof InvalidFields) return { detail: error.fields };
  const detail = inTheirWords(error.text);
  return { error: error.status >= 500 ? "Error" : "HTTPException", detail, body: "", errors: detail };
}

/** Names of options that are no words of their own: they are written as one. */
const OUR_NAMES = new RegExp(
  `\\b(?:${Object.keys(FIELD_NAMES)
    .filter((name) => /[A-Z]/.test(name))
    .join("|")})\\b`,
  "g",
);

/** A job's error names the library's options. */
function inTheirWords(text: string): string {
  return text.replace(OUR_NAMES, a1111FieldName);
}
