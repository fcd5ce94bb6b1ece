import { MASK_OPTIONS, VaeImageProcessor, type VaeImageProcessorOptions } from "./vae-image-processor.js";

/**
 * Turns pictures into masks of IP-Adapters [n, 1, height, width]: 1 where they are white (above one half), else 0. Both sides become
 * multiples of `vaeScaleFactor`, 8 by default. Matches diffusers' IPAdapterMaskProcessor.
 */
export class IPAdapterMaskProcessor extends VaeImageProcessor {
  /** @throws ArgumentError for a wrong option. */
  constructor(options: VaeImageProcessorOptions = {}) {
    super({ ...MASK_OPTIONS, ...options });
  }
}
