/** The latents of FLUX.1's autoencoder, which Z-Image and Chroma have, too. */
export const FLUX_LATENTS = { channels: 16, factor: 8, scale: 0.3611, shift: 0.1159 } as const;
