import { AsymmetricAutoencoderKL } from "../../models/asymmetric-autoencoder-kl.js";
import type { Autoencoder } from "../../models/autoencoder.js";
import { AutoencoderKL } from "../../models/autoencoder-kl.js";
import { AutoencoderKLQwenImage } from "../../models/autoencoder-kl-qwen-image.js";
import { AutoencoderTiny } from "../../models/autoencoder-tiny.js";
import type { ModelOptions } from "../../models/model.js";
import type { Folder } from "../../platform/folder.js";
import { SCHEDULERS } from "../../schedulers/registry.js";
import { CLIPTokenizer } from "../../tokenizer/clip.js";

// Apart from ComponentSource, so that a page loads these classes with the pipeline that uses them.

/** The scheduler classes that a checkpoint may have, by name. */
export const SCHEDULERS_OF_CHECKPOINTS = Object.fromEntries(Object.entries(SCHEDULERS).map(([name, entry]) => [name, entry.class]));

interface AutoencoderLoader {
  fromPretrained(source: Folder, options?: ModelOptions): Promise<Autoencoder>;
}

/** The autoencoder classes that a checkpoint may have, by name. */
export const AUTOENCODERS: Readonly<
  Record<"AutoencoderKL" | "AsymmetricAutoencoderKL" | "AutoencoderKLQwenImage" | "AutoencoderTiny", AutoencoderLoader>
> = {
  AutoencoderKL,
  AutoencoderKLQwenImage,
  AutoencoderTiny,
  AsymmetricAutoencoderKL,
};

/** The tokenizer classes that a checkpoint may have, by name. The Python library has a slow and a fast class for each tokenizer. */
export const TOKENIZERS = { CLIPTokenizer, CLIPTokenizerFast: CLIPTokenizer };
