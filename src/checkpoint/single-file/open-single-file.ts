import { ConfigError } from "../../errors.js";
import type { PredictionType } from "../../families/prediction-types.js";
import type { Folder } from "../../platform/folder.js";
import { warn } from "../../warnings.js";
import { readJson } from "../config.js";
import { type JsonObject, quote } from "../json.js";
import { MODEL_INDEX } from "../model-index.js";
import { findWeights, weightsIn } from "../weights.js";
import { adapterConfig } from "./adapter-config.js";
import { assembled } from "./assembled.js";
import { namedClass } from "./language-models.js";
import { motionConfig } from "./motion-config.js";
import { controlNetConfig, controlNetUnionConfig, latentConfig, textEncoderConfig, unetConfig, vaeConfig } from "./network-configs.js";
import type { FilePart, PartName } from "./parts.js";
import { expectPipelineClass, latentSize, latentSpace, modelIndex, schedulerConfig, tokenizerConfig } from "./pipeline-configs.js";
import { readSingleFile, type SingleFile } from "./read-single-file.js";
import { ENCODER_CLASSES } from "./text-encoders.js";
import { TRANSFORMER_CLASSES } from "./transformers/find-transformer.js";
import { usualConfig } from "./usual-sources.js";
import { type VirtualContents, VirtualFolder } from "./virtual-folder.js";

/** What completes a single file. */
export interface SingleFileOptions {
  /** Has CLIP's vocab.json and merges.txt, which no single file holds. */
  readonly tokenizer: Folder;
  /** A checkpoint's folder in diffusers' layout. Its configs, scheduler and tokenizer replace those that the file suggests. */
  readonly config?: Folder;
  /** Whether to warn of assumptions; true by default. */
  readonly warns?: boolean;
  /** Whether `config` is that of the most similar published checkpoint. Then shapes that the file shows override it. */
  readonly isUsual?: boolean;
  /** Folders of parts that the caller brings. */
  readonly brought?: readonly string[];
  /** What the UNet predicts; overrides the file. */
  readonly predictionType?: PredictionType;
}

/** The names of a network. */
interface Network {
  readonly className: string;
  /** The name in messages. */
  readonly what: string;
  /** How the names of its tensors begin in the original layout. */
  readonly prefix: string;
  /** The option of pipelines that replaces it. */
  readonly option?: string;
}

/** The networks a single file may hold. */
export const NETWORKS: Readonly<Record<PartName, Network>> = {
  unet: { className: "UNet2DConditionModel", what: "UNet", prefix: "model.diffusion_model.", option: "unet" },
  transformer: { className: "Transformer2DModel", what: "transformer", prefix: "model.diffusion_model.", option: "transformer" },
  vae: { className: "AutoencoderKL", what: "autoencoder", prefix: "first_stage_model.", option: "vae" },
  text_encoder: {
    className: "CLIPTextModel",
    what: "text encoder",
    prefix: "cond_stage_model. or conditioner.embedders.0.",
    option: "textEncoder",
  },
  text_encoder_2: {
    className: "CLIPTextModelWithProjection",
    what: "second text encoder",
    prefix: "conditioner.embedders.1.",
    option: "textEncoder2",
  },
  controlnet: { className: "ControlNetModel", what: "ControlNet", prefix: "control_model." },
  controlnet_union: { className: "ControlNetUnionModel", what: "ControlNet Union", prefix: "task_embedding" },
  adapter: { className: "T2IAdapter", what: "T2I-Adapter", prefix: "adapter.body. or body." },
  motion_adapter: { className: "MotionAdapter", what: "motion module", prefix: "down_blocks.0.motion_modules." },
};
const PART_NAMES = Object.keys(NETWORKS) as PartName[];

/** The classes of parts that have several. */
const OTHER_CLASSES: Readonly<Partial<Record<PartName, readonly string[]>>> = {
  transformer: TRANSFORMER_CLASSES,
  vae: ["AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderKLQwenImage"],
  text_encoder: [...ENCODER_CLASSES],
};

/** The class of a part in diffusers or transformers. */
export function classNameOf(name: PartName, { layout }: FilePart): string {
  return layout?.className ?? NETWORKS[name].className;
}

/**
 * Presents a single file as a folder in diffusers' layout: a pipeline's folder or, if the file holds only one network and that is not a
 * UNet, the network's. Nothing is copied; the weights stay in the file.
 * @throws CheckpointError, ConfigError if Darkroom cannot run the file.
 */
export async function openSingleFile(folder: Folder, path: string, options: SingleFileOptions): Promise<Folder> {
  const { config, predictionType } = options;
  const file = await readSingleFile(folder, path, { predictionType });
  if (config && file.parts.has("transformer") && (await config.has(MODEL_INDEX))) return assembled(file, config, options);
  return config ? overlaid(file, config, options) : inferredFolder(file, options);
}

/** The repository whose configs a file with a transformer needs, since no such file has tokenizers; undefined for other files. */
export async function usualConfigOf(folder: Folder, path: string): Promise<string | undefined> {
  const { parts } = await readSingleFile(folder, path);
  const { layout, weights } = parts.get("transformer") ?? {};
  return layout && weights && usualConfig(layout.className, layout.config(weights), path);
}

/** A folder of configs with the file's weights. */
async function overlaid(file: SingleFile, config: Folder, { warns = true, predictionType }: SingleFileOptions): Promise<Folder> {
  if (!(await config.has(MODEL_INDEX))) return overlaidNetwork(file, config);
  if (warns && predictionType === undefined) await comparePrediction(file, config);
  const { name } = file.header;
  const folders: Record<string, Folder> = {};
  for (const each of PART_NAMES) {
    const base = config.open(each);
    const part = file.parts.get(each);
    if (part) folders[each] = new VirtualFolder(base.name, { base, weights: part.weights });
    // As in diffusers, the folder's own weights are used for a part that the file lacks.
    else if (!weightsIn(base) && !findWeights(await base.list())) folders[each] = absent(name, each, { base });
  }
  // Single files have no safety checker; diffusers does not load one for them either.
  const index: JsonObject = { ...(await readJson(config, MODEL_INDEX)), safety_checker: [null, null] };
  return new VirtualFolder(name, { base: config, folders, files: { [MODEL_INDEX]: () => index } });
}

/** Warns if a file's author states another prediction type than the scheduler config in `config` has. */
async function comparePrediction({ header, kind: { prediction } }: SingleFile, config: Folder): Promise<void> {
  const path = "scheduler/scheduler_config.json";
  if (prediction.basis !== "author" || prediction.edm || !(await config.has(path))) return;
  const { prediction_type: expected = "epsilon" } = await readJson(config, path);
  if (expected === prediction.type) return;
  warn(
    (option) =>
      `${header.name} predicts ${prediction.type}, as ${prediction.source} says, but the scheduler of ${config.name}, which is used, is for ${expected}. If the pictures are wrong, give ${option("predictionType", { value: prediction.type })}`,
  );
}

/** A folder with the config of a single network, with the file's weights for it. */
async function overlaidNetwork(file: SingleFile, config: Folder): Promise<Folder> {
  const json = await readJson(config, "config.json");
  const own = partOfClass(config.name, json, file);
  const part = file.parts.get(own);
  if (!part) return absent(file.header.name, own);
  // The config of a missing autoencoder has the scale of the latents only. The layers are read from the file.
  const whole = () => (json.block_out_channels === undefined ? { ...configOf(file, own, part), ...json } : json);
  return new VirtualFolder(config.name, { base: config, files: { "config.json": whole }, weights: part.weights });
}

/** The part of a file that the config of a single network describes. */
function partOfClass(name: string, json: JsonObject, { parts }: SingleFile): PartName {
  const className = namedClass(json);
  const classesOf = (each: PartName) => OTHER_CLASSES[each] ?? [NETWORKS[each].className];
  const fitting = PART_NAMES.filter((each) => className !== undefined && classesOf(each).includes(className));
  const part = fitting.find((each) => parts.has(each)) ?? fitting[0];
  if (part) return part;
  throw new ConfigError(
    `${name}/config.json is of class ${quote(className ?? null)}; expected ${PART_NAMES.flatMap(classesOf).join(", ")}`,
    {
      hint: (name) => `give the folder of a whole checkpoint as ${name("config")}: model_index.json beside unet/, vae/, ...`,
    },
  );
}

/** The folder that the file suggests. @throws ConfigError if there is no pipeline for its UNet. */
export function inferredFolder(file: SingleFile, { tokenizer, warns = true }: SingleFileOptions): Folder {
  const { header, parts, kind } = file;
  const { name } = header;
  const network = (each: PartName, part: FilePart, at = `${name}/${each}`) =>
    new VirtualFolder(at, {
      files: { "config.json": () => configOf(file, each, part) },
      weights: part.weights,
      className: classNameOf(each, part),
    });
  const only = onlyPart(parts);
  if (only) return network(only.name, only, name);
  const folders: Record<string, Folder> = {};
  for (const each of PART_NAMES) {
    const part = parts.get(each);
    folders[each] = part ? network(each, part) : absent(name, each);
  }
  if (!parts.has("vae")) folders.vae = absent(name, "vae", { files: { "config.json": () => latentConfig(latentSpace(kind)) } });
  if (!parts.has("unet")) return new VirtualFolder(name, { folders });
  const className = expectPipelineClass(name, kind);
  if (warns && kind.prediction.basis === "assumption") {
    warn(
      (option) =>
        `${name} does not say whether it predicts noise or velocity; velocity is assumed, as in Stable Diffusion 2.1. If the pictures are pure noise, give ${option("predictionType", { value: "epsilon" })}`,
    );
  }
  for (const [at, part] of Object.entries(kind.family.parts)) {
    const pad = part?.pad;
    if (!pad) continue;
    folders[at] = new VirtualFolder(`${name}/${at}`, { files: { "tokenizer_config.json": () => tokenizerConfig(pad) }, base: tokenizer });
  }
  folders.scheduler = new VirtualFolder(`${name}/scheduler`, { files: { "scheduler_config.json": () => schedulerConfig(kind) } });
  // For a safety checker that a caller gives. The processor's defaults are CLIP's.
  folders.feature_extractor = new VirtualFolder(`${name}/feature_extractor`, {
    files: { "preprocessor_config.json": () => ({ image_processor_type: "CLIPImageProcessor" }) },
  });
  return new VirtualFolder(name, { files: { [MODEL_INDEX]: () => modelIndex(className, kind) }, folders });
}

function configOf({ kind }: SingleFile, name: PartName, { weights, maker, layout }: FilePart): JsonObject {
  if (layout) return layout.config(weights);
  switch (name) {
    case "transformer":
      return {};
    case "unet":
      return unetConfig(weights, kind.family, latentSize(kind).side);
    case "vae":
      return vaeConfig(weights, latentSpace(kind));
    case "controlnet":
      return controlNetConfig(weights, kind.family);
    case "controlnet_union":
      return controlNetUnionConfig(weights, kind.family);
    case "adapter":
      return adapterConfig(weights);
    case "motion_adapter":
      return motionConfig(weights);
    case "text_encoder":
    case "text_encoder_2":
      return textEncoderConfig(weights, maker === "laion", NETWORKS[name].className);
  }
}

/** The only network of a file, unless it is a UNet. */
function onlyPart(parts: SingleFile["parts"]): (FilePart & { readonly name: PartName }) | undefined {
  const [entry, another] = parts;
  return entry && !another && entry[0] !== "unet" ? { name: entry[0], ...entry[1] } : undefined;
}

/** The folder of a part that the file lacks, with the configs that are known. */
function absent(name: string, part: PartName, known: Pick<VirtualContents, "files" | "base"> = {}): Folder {
  const { what, prefix, option } = NETWORKS[part];
  return new VirtualFolder(`${name}/${part}`, {
    ...known,
    absence: {
      message: `${name} has no ${what}: no tensor's name begins with ${prefix}`,
      hint: (name) => {
        const giving = option && `, or give one: ${name(option, { code: `fromSingleFile(path, { ${option}: ... })` })}`;
        return `use a file that has one${giving ?? ""}`;
      },
    },
  });
}
