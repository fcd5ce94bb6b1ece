import { classOf, readConfig } from "../checkpoint/config.js";
import { MODEL_INDEX } from "../checkpoint/model-index.js";
import { isPickle } from "../checkpoint/pickles.js";
import type { SavePretrainedOptions } from "../checkpoint/saving.js";
import { NETWORKS } from "../checkpoint/single-file/open-single-file.js";
import { TRANSFORMER_CLASSES } from "../checkpoint/single-file/transformers/find-transformer.js";
import type { SourceOptions } from "../checkpoint/source.js";
import { readWeightsHeader } from "../checkpoint/weights-header.js";
import { CheckpointError } from "../errors.js";
import { withArticle } from "../given.js";
import type { ExistingSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { openFile } from "../hub/open-file.js";
import type { ModelOptions } from "../models/model.js";
import type { Folder } from "../platform/folder.js";
import { recogniseFile } from "../recognise/recognise-file.js";

/** A network that can be saved. */
interface SavableNetwork extends AsyncDisposable {
  savePretrained(path: string, options?: SavePretrainedOptions): Promise<void>;
}

/** A network alone: its class, and the folder that it is, or is shown as. */
export interface LoneNetwork {
  readonly className: string;
  readonly folder: Folder;
}

type NetworkClass = { fromPretrained(folder: Folder, options: ModelOptions): Promise<SavableNetwork> };

// Loaded when they are needed.
const CLASSES: Readonly<Record<string, () => Promise<NetworkClass>>> = {
  AsymmetricAutoencoderKL: async () => (await import("../models/asymmetric-autoencoder-kl.js")).AsymmetricAutoencoderKL,
  AutoencoderKL: async () => (await import("../models/autoencoder-kl.js")).AutoencoderKL,
  AutoencoderKLQwenImage: async () => (await import("../models/autoencoder-kl-qwen-image.js")).AutoencoderKLQwenImage,
  AutoencoderTiny: async () => (await import("../models/autoencoder-tiny.js")).AutoencoderTiny,
  ChromaTransformer2DModel: async () => (await import("../models/chroma-transformer-2d.js")).ChromaTransformer2DModel,
  CLIPTextModel: async () => (await import("../models/clip-text.js")).CLIPTextModel,
  CLIPTextModelWithProjection: async () => (await import("../models/clip-text.js")).CLIPTextModelWithProjection,
  ControlNetModel: async () => (await import("../models/controlnet.js")).ControlNetModel,
  ControlNetUnionModel: async () => (await import("../models/controlnet-union.js")).ControlNetUnionModel,
  FluxTransformer2DModel: async () => (await import("../models/flux-transformer-2d.js")).FluxTransformer2DModel,
  MotionAdapter: async () => (await import("../models/motion-adapter.js")).MotionAdapter,
  QwenImageTransformer2DModel: async () => (await import("../models/qwen-image-transformer.js")).QwenImageTransformer2DModel,
  Qwen2_5_VLForConditionalGeneration: async () => (await import("../models/qwen2-5-vl.js")).Qwen2_5_VLForConditionalGeneration,
  Qwen3ForCausalLM: async () => (await import("../models/qwen3.js")).Qwen3Model,
  Qwen3Model: async () => (await import("../models/qwen3.js")).Qwen3Model,
  SD3Transformer2DModel: async () => (await import("../models/sd3-transformer-2d.js")).SD3Transformer2DModel,
  T2IAdapter: async () => (await import("../models/t2i-adapter.js")).T2IAdapter,
  T5EncoderModel: async () => (await import("../models/t5-encoder.js")).T5EncoderModel,
  UNet2DConditionModel: async () => (await import("../models/unet-2d-condition.js")).UNet2DConditionModel,
  UNet2DModel: async () => (await import("../models/unet-2d.js")).UNet2DModel,
  UNetMotionModel: async () => (await import("../models/unet-motion.js")).UNetMotionModel,
};

/**
 * The only network of a source; undefined for a whole checkpoint, and for what the code that opens checkpoints refuses better.
 * @throws CheckpointError, ConfigError, HubError
 */
export async function loneNetwork(source: ExistingSource, from: SourceOptions): Promise<LoneNetwork | undefined> {
  if (source.kind === "folder") {
    if (source.place === "hub" || (await source.folder.has(MODEL_INDEX)) || !(await source.folder.has("config.json"))) return undefined;
    const className = classOf(await readConfig(source.folder, "config.json"));
    return className === undefined ? undefined : { className, folder: source.folder };
  }
  if (isPickle(source.name)) return undefined;
  const { config: _, ...file } = from;
  const { folder, path } = await openFile(source, file);
  const header = await readWeightsHeader(folder, path);
  const found = await recogniseFile(header, folder, path);
  if (found.kind === "checkpoint" && found.file.parts.size === 1) {
    return { className: NETWORKS.unet.className, folder: await open(source, "unet", from) };
  }
  if (found.kind !== "network") return undefined;
  const [part] = TRANSFORMER_CLASSES.includes(found.className)
    ? ["transformer"]
    : (Object.entries(NETWORKS).find(([, { className }]) => className === found.className) ?? ["vae"]);
  return { className: found.className, folder: await open(source, part, from) };
}

function open(source: ExistingSource, network: string, from: SourceOptions): Promise<Folder> {
  return openCheckpoint(source, { ...from, wanted: { kind: "network", network } });
}

/** Opens a network alone, to be saved. @throws CheckpointError, ConfigError */
export async function openLoneNetwork({ className, folder }: LoneNetwork, variant: string | undefined): Promise<SavableNetwork> {
  const load = Object.hasOwn(CLASSES, className) ? CLASSES[className] : undefined;
  if (load) return (await load()).fromPretrained(folder, { device: "cpu", variant });
  throw new CheckpointError(`${folder.name} is ${withArticle(className)}, which cannot be converted alone`, {
    hint: `networks that can be: ${Object.keys(CLASSES).join(", ")}; or give a whole checkpoint`,
  });
}
