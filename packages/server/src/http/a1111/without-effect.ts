import type { Img2ImgBody, Txt2ImgBody } from "./request.js";

/** Either request. Each has fields that the other does not. */
export type AnyBody = Partial<Txt2ImgBody & Img2ImgBody>;

/** Fields that ask for what the server does not do: when they do, and why it is so. */
const FIELDS: readonly (readonly [field: keyof AnyBody, asks: (body: AnyBody, sampler: string) => boolean, why: string])[] = [
  ["restore_faces", ({ restore_faces: is }) => is === true, "there is no face restorer"],
  ["tiling", ({ tiling: is }) => is === true, "pictures do not tile"],
  ["styles", ({ styles = [] }) => styles.length > 0, "the server keeps no styles; write them into the prompt"],
  ["subseed_strength", ({ subseed_strength: strength = 0 }) => strength > 0, "there are no variations of a seed"],
  ["seed_resize_from_w", ({ seed_resize_from_w: side = 0 }) => side > 0, "noise is made for the picture's own size"],
  ["seed_resize_from_h", ({ seed_resize_from_h: side = 0 }) => side > 0, "noise is made for the picture's own size"],
  ["s_churn", ({ s_churn: churn = 0 }) => churn > 0, "samplers work without churn"],
  ["s_noise", ({ s_noise: noise = 1 }) => noise !== 1, "samplers use noise of strength 1"],
  ["s_min_uncond", ({ s_min_uncond: sigma = 0 }) => sigma > 0, "the negative prompt counts in every step"],
  ["eta", ({ eta }, sampler) => eta !== undefined && !isUsualEta(eta, sampler), "samplers use their own eta"],
  ["disable_extra_networks", ({ disable_extra_networks: is }) => is === true, "LoRAs in the prompt act"],
  ["firstphase_width", ({ firstphase_width: side = 0 }) => side > 0, "the first pass has width and height"],
  ["firstphase_height", ({ firstphase_height: side = 0 }) => side > 0, "the first pass has width and height"],
  ["firstpass_image", ({ firstpass_image: image }) => image !== undefined, "the first pass is made"],
  ["infotext", ({ infotext = "" }) => infotext !== "", "send the fields themselves"],
  ["latent_mask", ({ latent_mask: mask }) => mask !== undefined, "send a mask"],
  ["mask_round", ({ mask, mask_round: round }) => mask !== undefined && round === false, "masks of latents are rounded"],
  [
    "inpainting_fill",
    ({ mask, inpainting_fill: fill = 0 }) => mask !== undefined && fill !== 1,
    'the masked part starts from "original" (1)',
  ],
  ["initial_noise_multiplier", ({ initial_noise_multiplier: noise = 1 }) => noise !== 1, "noise has strength 1"],
];

/** Samplers that are neither DDIM nor add noise have no eta, in the web UI too. */
function isUsualEta(eta: number, sampler: string): boolean {
  if (/^ddim/i.test(sampler)) return eta === 0;
  return eta === 1 || !/ a\b|sde|ancestral/i.test(sampler);
}

/** What a request asks for without effect, a sentence for each. The sampler is one of our list, if the request names any. */
export function withoutEffect(body: AnyBody, sampler = ""): string[] {
  return FIELDS.flatMap(([field, asks, why]) => (asks(body, sampler) ? [`${field} has no effect: ${why}`] : []));
}
