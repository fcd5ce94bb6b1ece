import type { Folder } from "../folder.js";
import { readTensor, type SafetensorsHeader, toTensorRef } from "../safetensors.js";
import type { Family } from "./family.js";

/** What a UNet was trained to predict, and over what noise. */
export interface Prediction {
  readonly type: "epsilon" | "v_prediction";
  /** The noise goes on to its full strength (Lin et al. 2024, arXiv:2305.08891). */
  readonly zeroSnr?: boolean;
  /** Karras et al.'s noise levels in place of the usual ones. */
  readonly edm?: "playground" | "cosxl";
  /** Whether the file does not say it: diffusers' choice for the family. */
  readonly isAssumed?: boolean;
}

/** The step of training at which Stability published the base model of Stable Diffusion 2, which predicts noise, as the larger one does not. */
const STEP_OF_BASE = 875_000;

/** What a file's UNet predicts: by what its author wrote into it, else as diffusers takes it. Reads nothing but the header, and a number where one is left. */
export async function readPrediction(
  header: SafetensorsHeader,
  { folder, path, family, isInpainting }: { folder: Folder; path: string; family: Family; isInpainting: boolean },
): Promise<Prediction> {
  const { tensors } = header;
  if (tensors.has("edm_mean") && tensors.has("edm_std")) return { type: "epsilon", edm: "playground" };
  if (tensors.has("edm_vpred.sigma_max")) return { type: "v_prediction", edm: "cosxl" };
  // Tensors that hold nothing but say something by being there, as trainers of XL models write them for ComfyUI.
  if (tensors.has("v_pred")) return { type: "v_prediction", zeroSnr: tensors.has("ztsnr") };
  const told = typeInMetadata(header);
  if (told) return { type: told };
  if (family !== "sd2" || isInpainting) return { type: "epsilon" };
  const step = await readStep(header, folder, path);
  if (step !== undefined) return { type: step === STEP_OF_BASE ? "epsilon" : "v_prediction" };
  return { type: "v_prediction", isAssumed: true };
}

/** By Stability's ModelSpec, which kohya-ss' scripts and other trainers write. */
function typeInMetadata({ metadata }: SafetensorsHeader): Prediction["type"] | undefined {
  const prediction = metadata.get("modelspec.prediction_type")?.toLowerCase() ?? "";
  if (/^(v|velocity|v[-_ ]?pred(iction)?)$/.test(prediction)) return "v_prediction";
  if (/^(epsilon|eps|noise)$/.test(prediction)) return "epsilon";
  const architecture = metadata.get("modelspec.architecture")?.toLowerCase() ?? "";
  if (architecture.startsWith("stable-diffusion-v2-768-v")) return "v_prediction";
  if (architecture.startsWith("stable-diffusion-v2-512")) return "epsilon";
  return undefined;
}

async function readStep(header: SafetensorsHeader, folder: Folder, path: string): Promise<number | undefined> {
  const stored = header.tensors.get("global_step");
  if (!stored || stored.length === 0 || stored.length > 8) return undefined;
  const [step] = (await readTensor(folder, path, toTensorRef(stored, header.name))).toArray();
  return step === undefined ? undefined : Number(step);
}
