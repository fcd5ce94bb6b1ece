import * as v from "valibot";
import { anything, flag, list, object, readFields, real, seed, text, whole } from "./fields.js";

/** The fields that txt2img and img2img share. */
const COMMON = {
  prompt: text,
  negative_prompt: text,
  styles: list,
  seed,
  subseed: seed,
  subseed_strength: real(),
  seed_resize_from_h: whole(),
  seed_resize_from_w: whole(),
  sampler_name: text,
  sampler_index: text,
  scheduler: text,
  batch_size: whole(1),
  n_iter: whole(1),
  steps: whole(1),
  cfg_scale: real(0),
  image_cfg_scale: real(),
  width: whole(1),
  height: whole(1),
  restore_faces: flag,
  tiling: flag,
  do_not_save_samples: flag,
  do_not_save_grid: flag,
  eta: real(),
  denoising_strength: real(0, 1),
  s_min_uncond: real(),
  s_churn: real(),
  s_tmax: real(),
  s_tmin: real(),
  s_noise: real(),
  override_settings: object,
  override_settings_restore_afterwards: flag,
  refiner_checkpoint: text,
  refiner_switch_at: real(),
  disable_extra_networks: flag,
  firstpass_image: anything,
  comments: anything,
  force_task_id: text,
  script_name: text,
  script_args: anything,
  send_images: flag,
  save_images: flag,
  alwayson_scripts: object,
  infotext: text,
};

const TXT2IMG = {
  ...COMMON,
  enable_hr: flag,
  firstphase_width: whole(0),
  firstphase_height: whole(0),
  hr_scale: real(),
  hr_upscaler: text,
  hr_second_pass_steps: whole(0),
  hr_resize_x: whole(0),
  hr_resize_y: whole(0),
  hr_checkpoint_name: text,
  hr_sampler_name: text,
  hr_scheduler: text,
  hr_prompt: text,
  hr_negative_prompt: text,
};

const IMG2IMG = {
  ...COMMON,
  init_images: list,
  resize_mode: whole(0),
  mask: anything,
  // The web UI's slider ends at 64.
  mask_blur: real(0, 256),
  mask_blur_x: real(0, 256),
  mask_blur_y: real(0, 256),
  mask_round: flag,
  inpainting_fill: whole(),
  inpaint_full_res: flag,
  inpaint_full_res_padding: whole(0),
  inpainting_mask_invert: whole(),
  initial_noise_multiplier: real(),
  latent_mask: anything,
  include_init_images: flag,
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
