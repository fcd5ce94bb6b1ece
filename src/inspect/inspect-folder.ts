import { classOf, readConfig } from "../checkpoint/config.js";
import type { JsonObject } from "../checkpoint/json.js";
import { displayText } from "../checkpoint/metadata.js";
import { MODEL_INDEX, noModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { partFolder } from "../checkpoint/part-folder.js";
import { kindOf } from "../checkpoint/part-kind.js";
import { usualConfig } from "../checkpoint/single-file/usual-sources.js";
import { findWeights, openWeights, variantsOf } from "../checkpoint/weights.js";
import { CheckpointError, ConfigError } from "../errors.js";
import type { LatentFamily } from "../families/family.js";
import {
  CONTEXT_FIELDS,
  DEFAULT_FAMILY,
  familiesByIndex,
  familyByContextWidth,
  familyByRepository,
  publishedLike,
  TRANSFORMER_FAMILIES,
  workflowsByPipeline,
} from "../families/lookups.js";
import { MASKED_CHANNELS } from "../families/stable-diffusion.js";
import { snakeCase } from "../letter-case.js";
import type { Folder } from "../platform/folder.js";
import { countWeights, total } from "./counts.js";
import type { CheckpointInspection, InspectedPart, Inspection, NetworkInspection, PartInspection } from "./inspection.js";

/** Describes a folder with a checkpoint or one part of a checkpoint; undefined for any other folder. */
export async function inspectFolder(folder: Folder): Promise<Inspection | undefined> {
  if (await folder.has(MODEL_INDEX)) return inspectCheckpoint(folder, "folder");
  if (await folder.has("config.json")) return inspectNetwork(folder, "folder");
  return inspectPart(folder);
}

/** Describes a checkpoint in diffusers' layout, or a single file presented as one. */
export async function inspectCheckpoint(folder: Folder, layout: "folder" | "file"): Promise<CheckpointInspection> {
  const index = await readModelIndex(folder);
  const parts: Record<string, InspectedPart | null> = {};
  for (const [name, component] of index.components) {
    const isNetwork = component && kindOf(component.className) === "model";
    const weights = isNetwork ? await inspectWeights(await partFolder(folder, name)) : {};
    parts[displayText(name)] = component && { className: displayText(component.className), ...weights };
  }
  const families = familiesByIndex(index.className, index.options.requiresAestheticsScore === true);
  const flow = TRANSFORMER_FAMILIES.find((family) => workflowsByPipeline(family, index.className).length > 0);
  const part = flow ? "transformer" : (families[0] ?? DEFAULT_FAMILY).denoiser.part;
  const [denoiser, vae, scheduler] = await Promise.all([
    configOf(await partFolder(folder, part), "config.json"),
    configOf(folder.open("vae"), "config.json"),
    configOf(await partFolder(folder, "scheduler"), "scheduler_config.json"),
  ]);
  const traits = { name: folder.name, options: index.options, scheduler: scheduler ?? {}, transformer: denoiser };
  const advised = flow && publishedLike(flow, traits)?.defaults;
  const own = sizeOf(denoiser, vae);
  return {
    kind: "checkpoint",
    name: folder.name,
    layout,
    className: displayText(index.className),
    family: flow?.name ?? familyOf(families, denoiser),
    isInpainting: denoiser?.inChannels === MASKED_CHANNELS,
    predictionType: scheduler && predictionOf(scheduler),
    isPredictionAssumed: false,
    sources: {
      family: flow || families.length === 1 ? MODEL_INDEX : `${part}/config.json`,
      predictionType: "scheduler/scheduler_config.json",
      scheduler: MODEL_INDEX,
      size: flow && own === undefined ? "usual for the family" : `${part}/config.json and vae/config.json`,
    },
    scheduler: textOf(index.components.get("scheduler")?.className),
    size: own ?? flow?.sampleSize,
    ...(advised && { advised }),
    parts,
    counts: total(Object.values(parts).flatMap((part) => part?.counts ?? [])),
    metadata: {},
  };
}

/** Describes a folder with one network. */
export async function inspectNetwork(folder: Folder, layout: "folder" | "file"): Promise<NetworkInspection> {
  const config = await readConfig(folder, "config.json");
  const className = classOf(config);
  if (className === undefined) {
    throw new ConfigError(`${folder.name}/config.json names no class`, { hint: "expected _class_name, or architectures" });
  }
  return {
    kind: "network",
    name: folder.name,
    layout,
    className: displayText(className),
    family: familyByContextWidth(contextWidth(config))?.name ?? familyByTransformer(className, config, folder.name),
    ...(await inspectWeights(folder)),
    metadata: {},
  };
}

/** The error for a folder without a checkpoint or part. */
export async function nothingFound(folder: Folder): Promise<CheckpointError> {
  return noModelIndex(folder.name, await folder.list());
}

async function inspectPart(folder: Folder): Promise<PartInspection | undefined> {
  const { name } = folder;
  if (await folder.has("scheduler_config.json")) {
    const config = await readConfig(folder, "scheduler_config.json");
    return { kind: "scheduler", name, className: textOf(config._className), predictionType: predictionOf(config) };
  }
  if (await folder.has("preprocessor_config.json")) {
    const { imageProcessorType, featureExtractorType } = await readConfig(folder, "preprocessor_config.json");
    return { kind: "processor", name, className: textOf(imageProcessorType) ?? textOf(featureExtractorType) };
  }
  if (!(await folder.has("vocab.json")) && !(await folder.has("tokenizer.json"))) return undefined;
  const config = await configOf(folder, "tokenizer_config.json");
  return { kind: "tokenizer", name, className: textOf(config?.tokenizerClass) };
}

async function inspectWeights(folder: Folder): Promise<Omit<InspectedPart, "className">> {
  try {
    await folder.check();
    const files = await folder.list();
    const variants = variantsOf(files);
    const variant = findWeights(files) ? undefined : variants[0];
    const counts = countWeights(await openWeights(folder, { variant }));
    return { counts, ...(variants.length > 0 && { variants: variants.map(displayText) }) };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { problem: error.message };
  }
}

/** A part's config; undefined if there is none that can be read. */
async function configOf(folder: Folder, path: string): Promise<JsonObject | undefined> {
  try {
    return await readConfig(folder, path);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}

/**
 * The name of the checkpoint's family among those with its pipeline; the name of their series if the denoiser does not show which family it
 * is.
 */
function familyOf(families: readonly LatentFamily[], denoiser: JsonObject | undefined): string | undefined {
  const [first, second] = families;
  if (!second) return first?.name;
  const byWidth = familyByContextWidth(denoiser && contextWidth(denoiser));
  return byWidth && families.includes(byWidth) ? byWidth.name : first?.series;
}

/** The family of a folder with a transformer alone. The folder of a checkpoint tells what configs do not. */
function familyByTransformer(className: string, config: JsonObject, name: string): string | undefined {
  const snake = Object.fromEntries(Object.entries(config).map(([field, value]) => [snakeCase(field), value]));
  const repository = usualConfig(className, snake, name);
  return repository === undefined ? undefined : familyByRepository(repository)?.name;
}

/** The width of the text features that a network reads, by its config. */
function contextWidth(config: JsonObject): number | undefined {
  return CONTEXT_FIELDS.map((field) => firstNumber(config[field])).find((width) => width !== undefined);
}

/** What a scheduler's config says that the network predicts: noise if it says nothing, a flow if the scheduler is for flows only. */
function predictionOf({ _className, predictionType }: JsonObject): string {
  return textOf(predictionType) ?? (textOf(_className)?.startsWith("FlowMatch") ? "flow_prediction" : "epsilon");
}

/** Side of the pictures in pixels: that of the latents, times the pixels that the autoencoder makes of one latent. */
function sizeOf(denoiser: JsonObject | undefined, vae: JsonObject | undefined): number | undefined {
  const side = firstNumber(denoiser?.sampleSize);
  const levels = Array.isArray(vae?.blockOutChannels) ? vae.blockOutChannels.length : denoiser && !vae ? 1 : undefined;
  return side === undefined || levels === undefined ? undefined : side * 2 ** (levels - 1);
}

function firstNumber(value: JsonObject[string] | undefined): number | undefined {
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === "number" ? first : undefined;
}

function textOf(value: JsonObject[string] | undefined): string | undefined {
  return typeof value === "string" ? displayText(value) : undefined;
}
