import type { Folder } from "../checkpoint/folder.js";
import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import { findParts } from "../checkpoint/single-file/parts.js";
import { CheckpointError } from "../errors.js";
import type { Wording } from "../wording.js";
import { type RecognisedFile, recogniseFile } from "./recognise-file.js";

/** What a file may be wanted as, as messages name it. */
const WANTED = {
  checkpoint: "a checkpoint",
  lora: "a LoRA",
  "textual-inversion": "a textual inversion",
  unet: "a UNet",
  vae: "an autoencoder",
  controlnet: "a ControlNet",
} as const;

/** What a file may be wanted as. */
export type WantedKind = keyof typeof WANTED;

/** Networks in files of their own, and what takes them. */
const NETWORKS: Readonly<Record<string, { readonly wanted?: WantedKind; readonly what: string; readonly hint: Wording }>> = {
  AutoencoderKL: { wanted: "vae", what: WANTED.vae, hint: (name) => `give it as ${name("vae")}, in place of a checkpoint's own` },
  ControlNetModel: {
    wanted: "controlnet",
    what: WANTED.controlnet,
    hint: (name) => `give it as ${name("controlnet")}, beside a checkpoint`,
  },
};

/**
 * Refuses a file that is of another kind than `wanted`: says what it is, and which option takes it. Files of no known kind are let pass, for whoever
 * reads them knows better what is missing.
 * @throws CheckpointError also if it is no safetensors file.
 */
export async function expectKind(wanted: WantedKind, folder: Folder, path: string): Promise<void> {
  const header = await readSafetensorsHeader(folder, path);
  // Of a checkpoint a network may be wanted. What it lacks, and what is beside it, whoever opens it tells.
  if (isNetwork(wanted) && findParts(header, folder, path).has("unet")) return;
  const found = await recogniseFile(header, folder, path);
  const other = otherKind(found, wanted);
  if (other) throw new CheckpointError(`${header.name} is ${other.what}, not ${WANTED[wanted]}`, { hint: other.hint });
}

function isNetwork(wanted: WantedKind): boolean {
  return wanted !== "lora" && wanted !== "textual-inversion";
}

function otherKind(found: RecognisedFile, wanted: WantedKind): { readonly what: string; readonly hint: Wording } | undefined {
  const checkpoint = "family" in found && found.family !== undefined ? `a checkpoint of ${found.family}` : "the checkpoint it is for";
  switch (found.kind) {
    case "lora":
      if (wanted === "lora") return undefined;
      return { what: WANTED.lora, hint: (name) => `open ${checkpoint}, and load this with ${name("loadLoraWeights")}` };
    case "textual-inversion":
      if (wanted === "textual-inversion") return undefined;
      return {
        what: WANTED["textual-inversion"],
        hint: (name) => `open ${checkpoint}, and load this with ${name("loadTextualInversion")}`,
      };
    case "checkpoint":
      if (isNetwork(wanted)) return undefined;
      return { what: `a checkpoint (${found.family})`, hint: (name) => `checkpoints are opened with ${name("fromPretrained")}` };
    case "network": {
      const network = NETWORKS[found.className];
      if (wanted === "checkpoint" || network?.wanted === wanted) return undefined;
      if (network) return network;
      // A text encoder, which a program can give.
      return { what: `a ${found.className}`, hint: "it is a part of a checkpoint; give a file of the kind that is wanted" };
    }
    case "foreign":
      if (isNetwork(wanted)) return undefined;
      return { what: `of a family that Darkroom does not run (${found.family})`, hint: "it runs Stable Diffusion 1.x, 2.x and XL" };
    case "unknown":
      return undefined;
  }
}
