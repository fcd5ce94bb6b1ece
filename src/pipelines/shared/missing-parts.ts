import { ArgumentError } from "../../errors.js";
import { LATENTS } from "../../families/stable-diffusion.js";
import type { Autoencoder } from "../../models/autoencoder.js";

/** A hint: what works without an autoencoder. */
export const LATENTS_ALONE = 'ask for outputType "latent"';

/** Pixels per latent along each side, and channels of the latents. Without an autoencoder, those of Stable Diffusion, as in diffusers. */
export function latentsOf(vae: Autoencoder | null): { readonly scaleFactor: number; readonly latentChannels: number } {
  if (!vae) return { scaleFactor: LATENTS.factor, latentChannels: LATENTS.channels };
  return { scaleFactor: vae.scaleFactor, latentChannels: vae.config.latentChannels };
}

/** The autoencoder. @throws ArgumentError if the pipeline has none; `otherwise` says what works without one. */
export function expectVae(vae: Autoencoder | null, otherwise?: string): Autoencoder {
  if (vae) return vae;
  throw new ArgumentError("this pipeline has no vae, which turns latents into pictures and pictures into latents", {
    argument: "vae",
    hint: (name) =>
      `${otherwise === undefined ? "" : `${otherwise}, or `}give one: ${name("vae", { code: "fromPretrained(path, { vae })" })}`,
  });
}

/** @throws ArgumentError if parts that read prompts are missing. */
export function expectTextParts(missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new ArgumentError(`this pipeline has no ${missing.join(" and no ")}, so it cannot read prompts or negative prompts`, {
    argument: missing[0],
    hint: `give promptEmbeds in place of prompt (with guidance also negativePromptEmbeds), or open the pipeline with its ${missing.join(" and ")}`,
  });
}
