import { CheckpointError, ConfigError } from "../../errors.js";
import { FAMILY_NAMES, insteadOfOther, otherFamily } from "../../families/lookups.js";
import type { PredictionType } from "../../families/prediction-types.js";
import type { Folder } from "../../platform/folder.js";
import { printable } from "../json.js";
import type { SafetensorsHeader } from "../safetensors.js";
import { readWeightsHeader } from "../weights-header.js";
import { familyOf } from "./find-family.js";
import { readLatentStatistics } from "./latent-statistics.js";
import { isMotionFile } from "./motion-names.js";
import { readOriginalConfig } from "./original-config.js";
import { type FilePart, findParts, type PartName } from "./parts.js";
import type { PipelineKind } from "./pipeline-configs.js";
import { readPrediction } from "./prediction.js";

/** A file with one or several networks of a checkpoint. Only its header was read. */
export interface SingleFile {
  readonly header: SafetensorsHeader;
  readonly parts: ReadonlyMap<PartName, FilePart>;
  /** Text encoders for a transformer. */
  readonly encoders: readonly FilePart[];
  /** The kind of checkpoint that the networks belong to; without a UNet, as far as the other networks show it. */
  readonly kind: PipelineKind;
  /** What shows its family, as text for users. */
  readonly familySource: string;
  /** Whether nothing shows its family. */
  readonly isFamilyAssumed: boolean;
}

/** What a caller knows about a file that the file may not state. */
export interface KnownOfFile {
  /** What the UNet predicts. */
  readonly predictionType?: PredictionType;
}

/**
 * Reads the header of a single file and finds its networks.
 * @throws CheckpointError if it is not a safetensors file or holds no network; ConfigError for a family of models that Darkroom does not
 * run.
 */
export async function readSingleFile(folder: Folder, path: string, known: KnownOfFile = {}): Promise<SingleFile> {
  const header = await readWeightsHeader(folder, path);
  const file = await findNetworks(header, folder, path, known);
  if (file) return file;
  const other = otherFamily(header.tensors.keys());
  if (other === undefined) throw noCheckpoint(header);
  throw new ConfigError(`${header.name} is of a family that Darkroom does not run: ${other}`, {
    hint: insteadOfOther(other) ?? `it runs ${FAMILY_NAMES}`,
  });
}

/**
 * Finds the networks of a file by its header and the config beside it. Undefined if the file holds none, or is of a family that Darkroom
 * does not run.
 */
export async function findNetworks(
  header: SafetensorsHeader,
  folder: Folder,
  path: string,
  { predictionType }: KnownOfFile = {},
): Promise<SingleFile | undefined> {
  const { parts: found, encoders } = findParts(header, folder, path);
  const isOther = !isMotionFile(header.tensors.keys()) && otherFamily(header.tensors.keys()) !== undefined;
  const isKnown = [...found.values()].some(({ layout }) => layout !== undefined);
  if (found.size === 0 || (isOther && !isKnown)) return undefined;
  const {
    family,
    source: familySource,
    isAssumed: isFamilyAssumed,
  } = familyOf(found, header.metadata.get("modelspec.architecture")?.toLowerCase());
  const unet = found.get("unet");
  if (!unet) {
    const prediction = { type: "epsilon", source: familySource, basis: "family" } as const;
    return {
      header,
      parts: found,
      encoders,
      familySource,
      isFamilyAssumed,
      kind: { family, inChannels: family.latents.channels, isConsistency: false, prediction },
    };
  }
  const original = await readOriginalConfig(folder, path);
  const parts = original?.usesEma ? findParts(header, folder, path, { usesEma: true }).parts : found;
  const [, inChannels = family.latents.channels] = unet.weights.shapeOf("conv_in.weight");
  const prediction = await readPrediction(header, { folder, path, family, inChannels, given: predictionType, original });
  const isConsistency = unet.weights.has("time_embedding.cond_proj.weight");
  const normalised = prediction.edm?.latents;
  const statistics = normalised && (await readLatentStatistics(header, folder, path, normalised));
  return {
    header,
    parts,
    encoders,
    familySource,
    isFamilyAssumed,
    kind: { family, inChannels, isConsistency, prediction, original, statistics },
  };
}

function noCheckpoint(header: SafetensorsHeader): CheckpointError {
  const { name } = header;
  const names = [...header.tensors.keys()];
  const first = names.slice(0, 3).map(printable).join(", ");
  return new CheckpointError(
    `${name} holds no network that Darkroom knows: it has ${names.length} tensors${first === "" ? "" : `, called ${first}${names.length > 3 ? ", ..." : ""}`}`,
    { hint: "expected a checkpoint in the original layout, whose names begin with model.diffusion_model., or one network of it" },
  );
}
