import * as v from "valibot";
import { anything, described, flag, jsonOf, list, object, readFields, real, seed, text, whole } from "./fields.js";

/** The fields that txt2img and img2img share. */
const COMMON = {
  prompt: described("What the pictures show, in the web UI's syntax: (word:1.3), [word], <lora:name:0.8>.", text),
  negative_prompt: described("What they should not show.", text),
  styles: described("No effect: the server keeps no styles.", list),
  seed: described("Seed of the first picture; picture i has seed + i. -1, the default, for a random one.", seed),
  subseed: described("No effect: there are no variations of a seed.", seed),
  subseed_strength: described("No effect above 0: there are no variations of a seed.", real()),
  seed_resize_from_h: described("No effect.", whole()),
  seed_resize_from_w: described("No effect.", whole()),
  sampler_name: described("A sampler of GET /sdapi/v1/samplers. The model's own by default.", text),
  sampler_index: described("An older name of sampler_name.", text),
  scheduler: described("A scheduler of GET /sdapi/v1/schedulers. The sampler's own by default, or for Automatic.", text),
  batch_size: described("Pictures of a round; 1 by default.", whole(1)),
  n_iter: described("Rounds; 1 by default.", whole(1)),
  steps: described("Denoising steps. The model's usual number by default.", whole(1)),
  cfg_scale: described("How strongly pictures follow the prompt. The model's usual number by default.", real(0)),
  image_cfg_scale: described("No effect: no model here takes it.", real()),
  width: described("Width in pixels, rounded down to a multiple of 8. The model's own, or the picture's, by default.", whole(1)),
  height: described("Height in pixels, rounded down to a multiple of 8. The model's own, or the picture's, by default.", whole(1)),
  restore_faces: described("No effect: there is no face restorer.", flag),
  tiling: described("No effect: pictures do not tile.", flag),
  do_not_save_samples: described("No effect: clients get their pictures by the reply.", flag),
  do_not_save_grid: described("No effect: there are no grids.", flag),
  eta: described("No effect: samplers use their own eta.", real()),
  denoising_strength: described("How much of the picture to change; 0.75 by default. In txt2img, that of hires fix.", real(0, 1)),
  s_min_uncond: described("No effect.", real()),
  s_churn: described("No effect.", real()),
  s_tmax: described("No effect.", real()),
  s_tmin: described("No effect.", real()),
  s_noise: described("No effect.", real()),
  override_settings: described(
    "Options of this request alone: sd_model_checkpoint, sd_vae, CLIP_stop_at_last_layers, samples_format, jpeg_quality.",
    object,
  ),
  override_settings_restore_afterwards: described("No effect: override_settings never outlive their request.", flag),
  refiner_checkpoint: described("A model that takes the last steps.", text),
  refiner_switch_at: described("The share of the steps after which the refiner takes over; 0.8 by default.", real()),
  disable_extra_networks: described("No effect: LoRAs in the prompt act.", flag),
  firstpass_image: described("No effect: the first pass is made.", anything),
  comments: described("No effect.", anything),
  force_task_id: described("The task's name in the progress.", text),
  script_name: described("Refused, except None: the server has no scripts.", text),
  script_args: described("No effect.", anything),
  send_images: described("Whether the reply has the pictures; true by default.", flag),
  save_images: described("No effect: the server keeps finished pictures for a time in any case.", flag),
  alwayson_scripts: described(
    "ControlNet with its units: { ControlNet: { args: [{ image, module, model, weight, guidance_start, guidance_end, control_mode }] } }. Others are refused if they would do something.",
    object,
  ),
  infotext: described("No effect: send the fields themselves.", text),
};

const TXT2IMG = {
  ...COMMON,
  enable_hr: described("Hires fix: the picture is made larger and repainted from there.", flag),
  firstphase_width: described("No effect: the first pass has width and height.", whole(0)),
  firstphase_height: described("No effect: the first pass has width and height.", whole(0)),
  hr_scale: described("How much larger; 2 by default.", real()),
  hr_upscaler: described(
    "An upscaler of GET /sdapi/v1/upscalers. Latent modes, of GET /sdapi/v1/latent-upscale-modes, too; Latent by default.",
    text,
  ),
  hr_second_pass_steps: described("Steps of the second pass; 0, the default, for those of the first.", whole(0)),
  hr_resize_x: described("Width of the larger picture, instead of hr_scale.", whole(0)),
  hr_resize_y: described("Height of the larger picture, instead of hr_scale.", whole(0)),
  hr_checkpoint_name: described("A model for the second pass.", text),
  hr_sampler_name: described("A sampler for the second pass.", text),
  hr_scheduler: described("A scheduler for the second pass.", text),
  hr_prompt: described("A prompt for the second pass.", text),
  hr_negative_prompt: described("A negative prompt for the second pass.", text),
};

const IMG2IMG = {
  ...COMMON,
  init_images: described("Pictures to start from: files in base64, or data URLs. Of several, each is one picture of the batch.", list),
  resize_mode: described("How they are brought to the size: 0 stretched, 1 cropped, 2 filled, 3 stretched.", whole(0)),
  mask: described("The picture is repainted where the mask is white: a file in base64, or a data URL.", anything),
  // The web UI's slider ends at 64.
  mask_blur: described("How soft the mask's edges are, in pixels; 4 by default.", real(0, 256)),
  mask_blur_x: described("Instead of mask_blur.", real(0, 256)),
  mask_blur_y: described("Instead of mask_blur.", real(0, 256)),
  mask_round: described("No effect: masks of latents are rounded.", flag),
  inpainting_fill: described("What the masked part starts from: 1, the picture itself. Others give a warning.", whole()),
  inpaint_full_res: described("Whether only the masked part is worked on; true by default.", flag),
  inpaint_full_res_padding: described("Pixels around the masked part that are worked on, too; 0 by default.", whole(0)),
  inpainting_mask_invert: described("1 repaints where the mask is black.", whole()),
  initial_noise_multiplier: described("No effect.", real()),
  latent_mask: described("No effect: send a mask.", anything),
  include_init_images: described("Whether the reply repeats the pictures that were sent; false by default.", flag),
};

const TXT2IMG_BODY = v.object(TXT2IMG);
const IMG2IMG_BODY = v.object(IMG2IMG);

/** The body of `/sdapi/v1/txt2img`. */
export type Txt2ImgBody = v.InferOutput<typeof TXT2IMG_BODY>;

/** The body of `/sdapi/v1/img2img`. */
export type Img2ImgBody = v.InferOutput<typeof IMG2IMG_BODY>;

/** What both have. */
export type CommonBody = Omit<Txt2ImgBody, Exclude<keyof Txt2ImgBody, keyof typeof COMMON>>;

/** @throws InvalidFields */
export function readTxt2Img(body: unknown): Txt2ImgBody {
  return readFields(TXT2IMG_BODY, body);
}

/** @throws InvalidFields */
export function readImg2Img(body: unknown): Img2ImgBody {
  return readFields(IMG2IMG_BODY, body);
}

/** The fields of both bodies, as the document shows them. */
export const BODY_SCHEMAS = { txt2img: jsonOf(TXT2IMG), img2img: jsonOf(IMG2IMG) };

/** Pictures, which a reply does not send back. */
const PICTURES: readonly string[] = ["init_images", "mask", "latent_mask", "firstpass_image", "alwayson_scripts"];

/**
 * The request's fields as a reply repeats them, all of them, null where nothing was given. Other fields are left out: SillyTavern sends a
 * password in one.
 */
export function echoOf(
  kind: "txt2img" | "img2img",
  body: Readonly<Record<string, unknown>>,
  includePictures: boolean,
): Record<string, unknown> {
  const names = Object.keys(kind === "txt2img" ? TXT2IMG : IMG2IMG);
  return Object.fromEntries(names.map((name) => [name, PICTURES.includes(name) && !includePictures ? null : (body[name] ?? null)]));
}
