import { CheckpointError, ConfigError } from "../../errors.js";
import type { Folder } from "../folder.js";
import { printable } from "../json.js";
import { readSafetensorsHeader, type SafetensorsHeader } from "../safetensors.js";
import { describeTextualInversion } from "../textual-inversion.js";
import { type Family, familyOf } from "./family.js";
import { foreignKind } from "./foreign-kinds.js";
import { type FilePart, findParts, type PartName } from "./parts.js";
import type { PipelineKind } from "./pipeline-configs.js";
import { readPrediction } from "./prediction.js";

/** A file that holds networks of Stable Diffusion, one or all of a checkpoint. Only its header was read. */
export interface SingleFile {
  readonly header: SafetensorsHeader;
  readonly parts: ReadonlyMap<PartName, FilePart>;
  /** Of a network that comes without a UNet: what its shapes show of the checkpoint it is for. */
  readonly kind: PipelineKind;
}

/**
 * Reads the header of a single file and finds out what the file is.
 * @throws CheckpointError if it is no safetensors file, or one without networks; ConfigError for a family of models that Darkroom does not run.
 */
export async function readSingleFile(folder: Folder, path: string): Promise<SingleFile> {
  const header = await readSafetensorsHeader(folder, path);
  const file = await findNetworks(header, folder, path);
  if (file) return file;
  const foreign = foreignKind(header.tensors.keys());
  if (foreign === undefined) throw noCheckpoint(header);
  throw new ConfigError(`${header.name} is of a family that Darkroom does not run: ${foreign}`, {
    hint: "it runs Stable Diffusion 1.x, 2.x and XL",
  });
}

/** What a file is, by its header; undefined for one that holds no network of Stable Diffusion, or one of a model made of it that is another. */
export async function findNetworks(header: SafetensorsHeader, folder: Folder, path: string): Promise<SingleFile | undefined> {
  if (foreignKind(header.tensors.keys()) !== undefined) return undefined;
  const parts = findParts(header, folder, path);
  if (parts.size === 0) return undefined;
  const unet = parts.get("unet");
  const family = familyInMetadata(header, parts) ?? familyOf(parts);
  const [, inChannels = 4] = unet?.weights.shapeOf("conv_in.weight") ?? [];
  const prediction = unet
    ? await readPrediction(header, { folder, path, family, isInpainting: inChannels !== 4 })
    : ({ type: "epsilon" } as const);
  return { header, parts, kind: { family, inChannels, prediction } };
}

/** An autoencoder's shapes are the same in all families. */
function familyInMetadata({ metadata }: SafetensorsHeader, parts: ReadonlyMap<PartName, FilePart>): Family | undefined {
  if (!parts.has("vae") || parts.size > 1) return undefined;
  return metadata.get("modelspec.architecture")?.startsWith("stable-diffusion-xl") ? "xl" : undefined;
}

function noCheckpoint(header: SafetensorsHeader): CheckpointError {
  const { name } = header;
  const names = [...header.tensors.keys()];
  if (names.some((each) => /(\.|_)lora_(up|down|A|B)\b|\.(hada_w|lokr_w)/.test(each))) {
    return new CheckpointError(`${name} is a LoRA, not a checkpoint`, {
      hint: (name) => `open the checkpoint it is for, and load this with ${name("loadLoraWeights")}`,
    });
  }
  if (describeTextualInversion(header)) {
    return new CheckpointError(`${name} is a textual inversion, not a checkpoint`, {
      hint: (name) => `open the checkpoint it is for, and load this with ${name("loadTextualInversion")}`,
    });
  }
  const first = names.slice(0, 3).map(printable).join(", ");
  return new CheckpointError(
    `${name} holds no network of Stable Diffusion: it has ${names.length} tensors${first === "" ? "" : `, called ${first}${names.length > 3 ? ", ..." : ""}`}`,
    { hint: "expected a checkpoint in the original layout, whose names begin with model.diffusion_model., or one network of it" },
  );
}
