import { ArgumentError } from "../../errors.js";
import type { Autoencoder } from "../../models/autoencoder.js";

/** What works without an autoencoder. */
export const LATENTS_ALONE = 'ask for outputType "latent"';

/** The values of Stable Diffusion's autoencoder, which diffusers uses if a pipeline has none. */
const USUAL_LATENTS = { scaleFactor: 8, latentChannels: 4 } as const;

/** Pixels per latent along each side, and channels of the latents. */
export function latentsOf(vae: Autoencoder | null): { readonly scaleFactor: number; readonly latentChannels: number } {
  return vae ? { scaleFactor: vae.scaleFactor, latentChannels: vae.config.latentChannels } : USUAL_LATENTS;
}

/** The autoencoder. @throws ArgumentError if the pipeline has none; `wayOut` says what works without one. */
export function expectVae(vae: Autoencoder | null, wayOut: string): Autoencoder {
  if (vae) return vae;
  throw new ArgumentError("this pipeline has no vae, which turns latents into pictures and pictures into latents", {
    argument: "vae",
    hint: (name) => `${wayOut}, or give one: ${name("vae", { code: "fromPretrained(path, { vae })" })}`,
  });
}

/** @throws ArgumentError if parts that read texts are missing. */
export function expectTextParts(missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new ArgumentError(`this pipeline has no ${missing.join(" and no ")}, so it cannot read prompts or negative prompts`, {
    argument: missing[0],
    hint: `give promptEmbeds in place of prompt (with guidance also negativePromptEmbeds), or open the pipeline with its ${missing.join(" and ")}`,
  });
}
