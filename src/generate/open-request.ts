import * as v from "valibot";
import { PREDICTION_TYPES, type PredictionType } from "../families/prediction-types.js";
import { described, type Fields, field, flag, groups, needed, oneOf, oneOrList, real, text, whole, withJson } from "../options/fields.js";
import { DEVICES, type Device, PRECISIONS, type Precision, QUANTISATIONS, type Quantisation } from "../runtime/device.js";
import { type ModelSource, modelSource } from "./model-source.js";

/** A LoRA to load. */
export interface LoraRequest {
  /** File, folder or hub id. Without it, the LoRA is looked up by its name. */
  readonly source?: ModelSource | undefined;
  /** Its name in settings and tags; by default that of its file or folder. */
  readonly name?: string | undefined;
  /** How strongly it acts; 1 by default. */
  readonly weight?: number | undefined;
  /** How strongly it acts on the UNet, if that differs from the text encoders. */
  readonly unetWeight?: number | undefined;
}

/** A textual inversion embedding to load. */
export interface EmbeddingRequest {
  /** File, folder or hub id. */
  readonly source: ModelSource;
  /** The word for it in prompts; by default the one in its file, or the file's name. */
  readonly token?: string | undefined;
}

/** An IP-Adapter to load. */
export interface IPAdapterRequest {
  /** A .safetensors file, a folder or a hub id. A file of a repository is OWNER/NAME/FOLDER/FILE.safetensors. */
  readonly source: ModelSource;
  /** The folder of the file inside the folder or repository, such as models. */
  readonly subfolder?: string | undefined;
  /** The name of the file, if the folder has several. */
  readonly weightName?: string | undefined;
  /**
   * The folder of the image encoder, if the checkpoint has none: a name is a folder beside the file, image_encoder by default; a path is
   * inside the source, such as models/image_encoder, or a folder or hub id of its own. All adapters have the same.
   */
  readonly imageEncoder?: string | undefined;
}

/**
 * Which checkpoint, networks and adapters are loaded, and where they run. Requests that agree in these options can share one open workflow.
 */
export interface OpenRequest {
  /** The checkpoint: a folder, a single .safetensors file or a hub id (OWNER/NAME). The embedded checkpoint, emoji-128, by default. */
  readonly model?: ModelSource | undefined;
  /** Folder or hub id of configs for a checkpoint in a single file that is built unusually. */
  readonly config?: ModelSource | undefined;
  /** Branch, tag or commit of the model on the hub; main by default. */
  readonly revision?: string | undefined;
  /** Weight files to prefer, such as fp16. The files without a variant by default. */
  readonly variant?: string | undefined;
  /**
   * What the network predicts: the noise (epsilon), the velocity (v_prediction) or the picture (sample). What the checkpoint says by
   * default.
   */
  readonly predictionType?: PredictionType | undefined;
  /**
   * Folder, single file or hub id of an autoencoder to use instead of the checkpoint's; taesd is the tiny one for its latents: fast, and
   * coarser.
   */
  readonly vae?: ModelSource | undefined;
  /**
   * Text encoder for a transformer in a single file, or a list of several: files such as t5xxl_fp16, clip_l or qwen_3_4b. Each takes the
   * place of those of its kind.
   */
  readonly textEncoder?: ModelSource | readonly ModelSource[] | undefined;
  /** Stable Diffusion XL checkpoint that takes the last denoising steps. */
  readonly refiner?: ModelSource | undefined;
  /** ControlNet, ControlNet Union or T2I-Adapter to follow a picture, or a list of several: folder, single file or hub id. */
  readonly controlnet?: ModelSource | readonly ModelSource[] | undefined;
  /** Upscaler that makes each finished picture larger: a .safetensors file of ESRGAN, Real-ESRGAN or RealESRGAN Compact. */
  readonly upscaler?: ModelSource | undefined;
  /** Upscaler for the second pass, hires. openingOf(request) takes it from hires.upscaler. */
  readonly hiresUpscaler?: ModelSource | undefined;
  /** LoRAs to load, in order. Tags in the prompt, <lora:name:0.8>, add more. */
  readonly loras?: readonly LoraRequest[] | undefined;
  /** Textual inversion embeddings to load. */
  readonly embeddings?: readonly EmbeddingRequest[] | undefined;
  /** IP-Adapters to load, which let pictures act beside the prompt. Each run gives their pictures. */
  readonly ipAdapters?: readonly IPAdapterRequest[] | undefined;
  /** Where to run; auto, the default, takes a GPU if there is one. */
  readonly device?: Device | undefined;
  /** Which of several GPUs; the first by default. */
  readonly deviceId?: number | undefined;
  /** exact, the default, computes in float32. fast computes in 8 bits (GPU: 16): quicker, not quite the same picture. */
  readonly precision?: Precision | undefined;
  /**
   * Quantises the large matrices of transformers, UNets, T5 and Qwen to 4 (q4) or 8 bits (q8), once: less memory, not quite the same
   * picture.
   */
  readonly quantize?: Quantisation | undefined;
  /** Saves memory at the cost of time; the same picture. false by default. */
  readonly lowMemory?: boolean | undefined;
}

const variant = withJson(
  v.pipe(v.string(), v.regex(/^[\w.-]+$/)),
  field<string>(
    (value) => typeof value === "string" && /^[\w.-]+$/.test(value),
    "a word of letters, digits, . _ and -, such as fp16",
    "string",
  ),
);

const finite = real();

const LORA_FIELDS: Fields<LoraRequest> = {
  source: described("File, folder or hub id. Without it, the LoRA is looked up by its name.", modelSource),
  name: described("Its name in settings and tags; by default that of its file or folder.", text),
  weight: described("How strongly it acts; 1 by default.", finite),
  unetWeight: described("How strongly it acts on the UNet, if that differs from the text encoders.", finite),
};

const EMBEDDING_FIELDS: Fields<EmbeddingRequest> = {
  source: described("File, folder or hub id.", needed(modelSource, 'such as { source: "cat.safetensors", token: "<cat>" }')),
  token: described("The word for it in prompts; by default the one in its file, or the file's name.", text),
};

const IP_ADAPTER_FIELDS: Fields<IPAdapterRequest> = {
  source: described(
    "A .safetensors file, a folder or a hub id. A file of a repository is OWNER/NAME/FOLDER/FILE.safetensors.",
    needed(modelSource, 'such as { source: "h94/IP-Adapter/models/ip-adapter_sd15.safetensors" }'),
  ),
  subfolder: described("The folder of the file inside the folder or repository, such as models.", text),
  weightName: described("The name of the file, if the folder has several.", text),
  imageEncoder: described(
    "The folder of the image encoder, if the checkpoint has none: a folder beside the file, image_encoder by default, or a path inside the source, such as models/image_encoder.",
    text,
  ),
};

/** The options that say what is loaded. */
export const OPEN_FIELDS: Fields<OpenRequest> = {
  model: described(
    "The checkpoint: a folder, a single .safetensors file or a hub id (OWNER/NAME). The embedded checkpoint, emoji-128, by default.",
    modelSource,
  ),
  config: described("Folder or hub id of configs for a checkpoint in a single file that is built unusually.", modelSource),
  revision: described("Branch, tag or commit of the model on the hub; main by default.", text),
  variant: described("Weight files to prefer, such as fp16. The files without a variant by default.", variant),
  predictionType: described(
    "What the network predicts: the noise (epsilon), the velocity (v_prediction) or the picture (sample). What the checkpoint says by default.",
    oneOf(...PREDICTION_TYPES),
  ),
  vae: described(
    "Folder, single file or hub id of an autoencoder to use instead of the checkpoint's; taesd is the tiny one for its latents: fast, and coarser.",
    modelSource,
  ),
  textEncoder: described(
    "Text encoder for a transformer in a single file, or a list of several: files such as t5xxl_fp16, clip_l or qwen_3_4b. Each takes the place of those of its kind.",
    oneOrList(modelSource, "one text encoder or a list of them, each a file"),
  ),
  refiner: described("Stable Diffusion XL checkpoint that takes the last denoising steps.", modelSource),
  controlnet: described(
    "ControlNet, ControlNet Union or T2I-Adapter to follow a picture, or a list of several: folder, single file or hub id.",
    oneOrList(modelSource, "one ControlNet or a list of them, each a folder, a file or a hub id"),
  ),
  upscaler: described(
    "Upscaler that makes each finished picture larger: a .safetensors file of ESRGAN, Real-ESRGAN or RealESRGAN Compact.",
    modelSource,
  ),
  hiresUpscaler: described("Upscaler for the second pass, hires. openingOf(request) takes it from hires.upscaler.", modelSource),
  loras: described(
    "LoRAs to load, in order. Tags in the prompt, <lora:name:0.8>, add more.",
    groups(LORA_FIELDS, "a list of LoRAs, such as [{ source, weight: 0.8 }]"),
  ),
  embeddings: described(
    "Textual inversion embeddings to load.",
    groups(EMBEDDING_FIELDS, "a list of embeddings, such as [{ source, token }]"),
  ),
  ipAdapters: described(
    "IP-Adapters to load, which let pictures act beside the prompt. Each run gives their pictures.",
    groups(IP_ADAPTER_FIELDS, "a list of IP-Adapters, such as [{ source }]"),
  ),
  device: described("Where to run; auto, the default, takes a GPU if there is one.", oneOf(...DEVICES)),
  deviceId: described("Which of several GPUs; the first by default.", whole(0)),
  precision: described(
    "exact, the default, computes in float32. fast computes in 8 bits (GPU: 16): quicker, not quite the same picture.",
    oneOf(...PRECISIONS),
  ),
  quantize: described(
    "Quantises the large matrices of transformers, UNets, T5 and Qwen to 4 (q4) or 8 bits (q8), once: less memory, not quite the same picture.",
    oneOf(...QUANTISATIONS),
  ),
  lowMemory: described("Saves memory at the cost of time; the same picture. false by default.", flag),
};
