import type { EdmCheckpoint } from "../../families/edm.js";
import type { LatentFamily } from "../../families/family.js";
import { edmCheckpointOf, incompleteEdmTensors, predictionsOf, publishedByArchitecture, publishedOf } from "../../families/lookups.js";
import type { NetworkPrediction, PredictionType } from "../../families/prediction-types.js";
import type { Folder } from "../../platform/folder.js";
import { warn } from "../../warnings.js";
import { printable } from "../json.js";
import { readTensor, type SafetensorsHeader, toStoredTensor } from "../safetensors.js";
import type { OriginalConfig } from "./original-config.js";

/** What a UNet predicts, and the noise levels it was trained with. */
export interface Prediction {
  readonly type: NetworkPrediction;
  /** The source of the type, as text for users. */
  readonly source: string;
  /** Whether the noise reaches its full strength (Lin et al. 2024, arXiv:2305.08891). */
  readonly zeroSnr?: boolean;
  /** The checkpoint with Karras' noise levels that the file comes from. */
  readonly edm?: EdmCheckpoint;
  /** The lowest and the highest noise level, if the file states them. */
  readonly sigmas?: { readonly min: number | undefined; readonly max: number | undefined };
  /**
   * Who states the type: the caller or the file's author. Otherwise the family, if all its checkpoints have one type, or an assumption of
   * diffusers.
   */
  readonly basis: "caller" | "author" | "family" | "assumption";
}

/** What shows the prediction type. */
export interface PredictionHints {
  readonly folder: Folder;
  readonly path: string;
  readonly family: LatentFamily;
  readonly inChannels: number;
  /** The caller's choice. */
  readonly given: PredictionType | undefined;
  readonly original: OriginalConfig | undefined;
}

/**
 * Finds what a file's UNet predicts: the caller's choice, or what the author wrote into the file or the config beside it, or what diffusers
 * assumes. Reads the header, and small tensors if needed.
 */
export async function readPrediction(header: SafetensorsHeader, hints: PredictionHints): Promise<Prediction> {
  const written = await writtenPrediction(header, hints);
  const found: Prediction = written ? { ...written, basis: "author" } : usualPrediction(hints);
  const { given } = hints;
  const { type, source, basis }: Prediction = given === undefined ? found : { type: given, source: "the caller", basis: "caller" };
  return {
    ...{ type, source, basis },
    ...(found.edm && { edm: found.edm }),
    ...(found.sigmas && { sigmas: found.sigmas }),
    // A network that predicts noise cannot start at full noise: its prediction says nothing about the picture there.
    ...(type !== "epsilon" && header.tensors.has("ztsnr") && { zeroSnr: true }),
  };
}

type Written = Omit<Prediction, "basis">;

/** What the author wrote; undefined if nothing. For ComfyUI, trainers add empty tensors whose names state the type. */
async function writtenPrediction(header: SafetensorsHeader, hints: PredictionHints): Promise<Written | undefined> {
  const { tensors } = header;
  const { original, family, inChannels, folder, path } = hints;
  const edm = edmCheckpointOf((tensor) => tensors.has(tensor));
  if (edm) {
    const written = { type: edm.prediction, edm, source: `${edm.tensors.join(" and ")} in the file` };
    if (!edm.sigmas) return written;
    const { sigmas } = edm;
    const [min, max] = await Promise.all([sigmas.min, sigmas.max].map((tensor) => readNumber(tensor, header, folder, path)));
    return { ...written, sigmas: { min: sigma(min), max: sigma(max) } };
  }
  const incomplete = incompleteEdmTensors((tensor) => tensors.has(tensor));
  if (incomplete) {
    const [found, missing] = [incomplete.found.join(" and "), incomplete.missing.join(" and ")];
    warn(`${header.name} has ${found} but not ${missing}; ${found} alone is ignored, and the file is opened as an ordinary checkpoint`);
  }
  if (tensors.has("v_pred")) return { type: "v_prediction", source: "v_pred in the file" };
  if (original?.prediction) return { type: original.prediction, source: original.name };
  const stated = predictionInMetadata(header, hints);
  if (stated) return stated;
  if (original?.impliesNoise) return { type: "epsilon", source: original.name };
  const possible = publishedOf(family, inChannels);
  const [usual] = possible;
  if (possible.length < 2 || !usual) return undefined;
  const step = await readNumber("global_step", header, folder, path);
  if (step === undefined) return undefined;
  const { prediction } = possible.find(({ globalStep }) => globalStep === step) ?? usual;
  return { type: prediction, source: "global_step in the file" };
}

/** What diffusers assumes if the file states nothing. Some families have checkpoints of two types. */
function usualPrediction({ family, inChannels }: PredictionHints): Prediction {
  const source = "usual for the family";
  const [usual, ...others] = predictionsOf(family, inChannels);
  return { type: usual ?? "epsilon", source, basis: others.length > 0 ? "assumption" : "family" };
}

/** By Stability's ModelSpec, which kohya-ss' scripts and other trainers write. */
function predictionInMetadata({ name, metadata }: SafetensorsHeader, { given }: PredictionHints): Written | undefined {
  const prediction = metadata.get("modelspec.prediction_type")?.toLowerCase() ?? "";
  const source = "modelspec.prediction_type in the file";
  if (/^(v|velocity|v[-_ ]?pred(iction)?)$/.test(prediction)) return { type: "v_prediction", source };
  if (/^(epsilon|eps|noise)$/.test(prediction)) return { type: "epsilon", source };
  if (/^(sample|x0|x_0)$/.test(prediction)) return { type: "sample", source };
  if (prediction !== "" && given === undefined) {
    warn(
      (option) =>
        `${name}: its modelspec.prediction_type ${printable(prediction)} is unknown and ignored; ${option("predictionType")} sets the type`,
    );
  }
  const architecture = metadata.get("modelspec.architecture")?.toLowerCase() ?? "";
  const named = publishedByArchitecture(architecture);
  return named && { type: named.prediction, source: "modelspec.architecture in the file" };
}

function sigma(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 && Number.isFinite(value) ? value : undefined;
}

/** The first number of a small tensor; undefined if there is none. */
async function readNumber(name: string, header: SafetensorsHeader, folder: Folder, path: string): Promise<number | undefined> {
  const stored = header.tensors.get(name);
  if (!stored || stored.length === 0 || stored.length > 8) return undefined;
  const [number] = (await readTensor(folder, path, toStoredTensor(stored, header.name))).toArray();
  return number === undefined ? undefined : Number(number);
}
