import { openTokenizerFiles } from "#platform";
import { readJson } from "../checkpoint/config.js";
import type { Folder } from "../checkpoint/folder.js";
import { printable } from "../checkpoint/json.js";
import { shown, shownMetadata } from "../checkpoint/metadata.js";
import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import { FAMILY_BY_CONTEXT, FAMILY_NAMES } from "../checkpoint/single-file/family.js";
import { foreignKind } from "../checkpoint/single-file/foreign-kinds.js";
import { inferredFolder, NETWORKS } from "../checkpoint/single-file/open-single-file.js";
import type { FilePart, PartName } from "../checkpoint/single-file/parts.js";
import { pipelineClass, strangePipeline } from "../checkpoint/single-file/pipeline-configs.js";
import { findNetworks, type SingleFile } from "../checkpoint/single-file/read-single-file.js";
import { describeTextualInversion, type TextualInversionDescription } from "../checkpoint/textual-inversion.js";
import { kindOf } from "../hub/choose-files.js";
import { describeLora, type LoraDescription } from "../lora/describe.js";
import { countFile, countWeights } from "./counts.js";
import { inspectCheckpoint } from "./inspect-folder.js";
import type { CheckpointInspection, Inspection, NetworkInspection } from "./inspection.js";

/** Names of an unknown file's tensors that are told. */
const FIRST_NAMES = 5;

/** What a safetensors file is. @throws CheckpointError if it is not of the format. */
export async function inspectFile(folder: Folder, path: string): Promise<Inspection> {
  const header = await readSafetensorsHeader(folder, path);
  const common = { name: header.name, counts: countFile(header), metadata: shownMetadata(header) };
  const file = await findNetworks(header, folder, path);
  if (file?.parts.has("unet")) {
    if (pipelineClass(file.kind) === undefined) return { kind: "foreign", ...common, family: strangePipeline(file.kind) };
    return { ...(await inspectSingleFile(file)), ...common };
  }
  if (file) return { ...inspectOneNetwork(file), ...common };
  const lora = describeLora(header);
  if (lora) return { kind: "lora", ...common, ...lora, ...(await besideLora(folder, path, lora)) };
  const embedding = describeTextualInversion(header);
  if (embedding) {
    const { token } = embedding;
    return { kind: "textual-inversion", ...common, ...embedding, token: token && shown(token), family: familyOf(embedding) };
  }
  const family = foreignKind(header.tensors.keys());
  if (family !== undefined) return { kind: "foreign", ...common, family };
  return { kind: "unknown", ...common, names: [...header.tensors.keys()].slice(0, FIRST_NAMES).map(printable) };
}

async function inspectSingleFile(file: SingleFile): Promise<CheckpointInspection> {
  const { family, prediction } = file.kind;
  const folder = inferredFolder(file, { tokenizer: openTokenizerFiles(), warns: false });
  const { parts, ...checkpoint } = await inspectCheckpoint(folder, "file");
  return {
    ...checkpoint,
    // Tokenizers and the like are in no single file.
    parts: Object.fromEntries(Object.entries(parts).filter(([, part]) => !part || kindOf(part.className) === "model")),
    family: FAMILY_NAMES[family],
    isInpainting: file.kind.inChannels === 9,
    predictionType: prediction.type,
    isPredictionAssumed: prediction.isAssumed ?? false,
  };
}

/** A file that holds a network other than a UNet; of several the first. */
function inspectOneNetwork({ header, parts, kind }: SingleFile): NetworkInspection {
  const [name, part] = [...parts][0] as [PartName, FilePart];
  return {
    kind: "network",
    name: header.name,
    layout: "file",
    className: NETWORKS[name].className,
    // An autoencoder's shapes are the same in all families.
    family: name === "vae" && kind.family !== "xl" ? undefined : FAMILY_NAMES[kind.family],
    counts: countWeights(part.weights),
    metadata: {},
  };
}

/** What PEFT keeps in a file of its own beside the LoRA's. */
async function besideLora(folder: Folder, path: string, { alpha, trainedOn }: LoraDescription): Promise<Partial<LoraDescription>> {
  const beside = path.replace(/[^/]*$/, "adapter_config.json");
  if (!path.endsWith("adapter_model.safetensors") || !(await folder.has(beside))) return {};
  const { lora_alpha: own, base_model_name_or_path: base } = await readJson(folder, beside);
  return {
    alpha: alpha ?? (typeof own === "number" ? own : undefined),
    trainedOn: trainedOn ?? (typeof base === "string" ? shown(base) : undefined),
  };
}

function familyOf({ layout, widths }: TextualInversionDescription): string | undefined {
  if (layout === "xl") return FAMILY_NAMES.xl;
  const family = FAMILY_BY_CONTEXT.get(widths[0] ?? 0);
  return family === "sd1" || family === "sd2" ? FAMILY_NAMES[family] : undefined;
}
