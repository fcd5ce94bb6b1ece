import { openTokenizerFiles } from "#platform";
import { readJson } from "../checkpoint/config.js";
import { printable } from "../checkpoint/json.js";
import { displayText, shownMetadata } from "../checkpoint/metadata.js";
import { kindOf } from "../checkpoint/part-kind.js";
import { inferredFolder } from "../checkpoint/single-file/open-single-file.js";
import { latentSize, schedulerSource } from "../checkpoint/single-file/pipeline-configs.js";
import type { SingleFile } from "../checkpoint/single-file/read-single-file.js";
import { readWeightsHeader } from "../checkpoint/weights-header.js";
import { MASKED_CHANNELS } from "../families/stable-diffusion.js";
import { describeLora, type LoraDescription } from "../lora/describe.js";
import type { Folder } from "../platform/folder.js";
import { recogniseFile } from "../recognise/recognise-file.js";
import { countFile, countWeights } from "./counts.js";
import { inspectCheckpoint } from "./inspect-folder.js";
import type { CheckpointInspection, Inspection } from "./inspection.js";

/** Number of tensor names listed of an unknown file. */
const FIRST_NAMES = 5;

/** Describes a safetensors file. @throws CheckpointError if it is not of the format. */
export async function inspectFile(folder: Folder, path: string): Promise<Inspection> {
  const header = await readWeightsHeader(folder, path);
  const common = { name: header.name, counts: countFile(header), metadata: shownMetadata(header) };
  const found = await recogniseFile(header, folder, path);
  switch (found.kind) {
    case "checkpoint":
      return { ...(await inspectSingleFile(found)), ...common };
    case "network": {
      const { kind, className, family, part, origin } = found;
      return { kind, ...common, layout: "file", className, family, counts: countWeights(part.weights), ...origin };
    }
    case "lora": {
      const lora = describeLora(header, found.methods);
      return { kind: found.kind, ...common, ...lora, ...(await besideLora(folder, path, lora)) };
    }
    case "textual-inversion":
      return { ...found, ...common, token: found.token && displayText(found.token) };
    case "ip-adapter":
    case "upscaler":
    case "foreign":
      return { ...found, ...common };
    case "unknown":
      return { ...found, ...common, names: [...header.tensors.keys()].slice(0, FIRST_NAMES).map(printable) };
  }
}

async function inspectSingleFile({ file, family }: { file: SingleFile; family: string }): Promise<CheckpointInspection> {
  const { familySource, kind } = file;
  const { prediction, inChannels } = kind;
  const folder = inferredFolder(file, { tokenizer: openTokenizerFiles(), warns: false });
  const { parts, ...checkpoint } = await inspectCheckpoint(folder, "file");
  return {
    ...checkpoint,
    // No single file has tokenizers, schedulers or processors.
    parts: Object.fromEntries(Object.entries(parts).filter(([, part]) => !part || kindOf(part.className) === "model")),
    family,
    isInpainting: inChannels === MASKED_CHANNELS,
    predictionType: prediction.type,
    isPredictionAssumed: prediction.basis === "assumption",
    sources: {
      family: familySource,
      predictionType: prediction.source,
      scheduler: `as in ${schedulerSource(kind).repository}`,
      size: latentSize(kind).source,
    },
  };
}

/** What PEFT writes into a second file beside the LoRA. */
async function besideLora(folder: Folder, path: string, { alpha, trainedOn }: LoraDescription): Promise<Partial<LoraDescription>> {
  const beside = path.replace(/[^/]*$/, "adapter_config.json");
  if (!path.endsWith("adapter_model.safetensors") || !(await folder.has(beside))) return {};
  const { lora_alpha: own, base_model_name_or_path: base } = await readJson(folder, beside);
  return {
    alpha: alpha ?? (typeof own === "number" ? own : undefined),
    trainedOn: trainedOn ?? (typeof base === "string" ? displayText(base) : undefined),
  };
}
