import { findParts } from "../checkpoint/single-file/parts.js";
import { readWeightsHeader } from "../checkpoint/weights-header.js";
import { CheckpointError } from "../errors.js";
import { FAMILY_NAMES, insteadOfOther } from "../families/lookups.js";
import { withArticle } from "../given.js";
import type { Folder } from "../platform/folder.js";
import type { Wording } from "../wording.js";
import { type RecognisedFile, recogniseFile } from "./recognise-file.js";

/** The kinds of file that callers expect, as messages name them. */
const WANTED = {
  checkpoint: "a checkpoint",
  lora: "a LoRA",
  "textual-inversion": "a textual inversion",
  "ip-adapter": "an IP-Adapter",
  unet: "a UNet",
  vae: "an autoencoder",
  controlnet: "a ControlNet or T2I-Adapter",
  motion: "a motion adapter",
  upscaler: "an upscaler",
} as const;

/** A kind of file that a caller expects. */
export type WantedKind = keyof typeof WANTED;

/** Networks that come in files of their own, by class, and the option that takes each. */
const STEERING = { wanted: "controlnet", hint: (name) => `give it as ${name("controlnet")}, beside a checkpoint` } as const satisfies {
  readonly wanted: WantedKind;
  readonly hint: Wording;
};

const AUTOENCODER = {
  wanted: "vae",
  what: WANTED.vae,
  hint: (name) => `give it as ${name("vae")}, in place of a checkpoint's own`,
} as const satisfies { readonly wanted: WantedKind; readonly what: string; readonly hint: Wording };

const NETWORKS: Readonly<Record<string, { readonly wanted?: WantedKind; readonly what: string; readonly hint: Wording }>> = {
  AutoencoderKL: AUTOENCODER,
  AutoencoderKLFlux2: AUTOENCODER,
  AutoencoderKLQwenImage: AUTOENCODER,
  ControlNetModel: { ...STEERING, what: "a ControlNet" },
  ControlNetUnionModel: { ...STEERING, what: "a ControlNet Union" },
  T2IAdapter: { ...STEERING, what: "a T2I-Adapter" },
  MotionAdapter: {
    wanted: "motion",
    what: WANTED.motion,
    hint: (name) => `it makes videos: give it as ${name("motionAdapter")}, beside a checkpoint of Stable Diffusion 1`,
  },
};

/**
 * Checks that a file is of the kind `wanted`. A file of an unknown kind passes: the code that reads it gives the better error.
 * @throws CheckpointError if it is another kind, with the option that takes it as the hint; also if it is not a safetensors file.
 */
export async function expectKind(wanted: WantedKind, folder: Folder, path: string): Promise<void> {
  const header = await readWeightsHeader(folder, path);
  // A checkpoint may hold the wanted network. If it does not, opening the network throws the error.
  if (isNetwork(wanted) && findParts(header, folder, path).parts.has("unet")) return;
  const found = await recogniseFile(header, folder, path);
  const other = otherKind(found, wanted);
  if (other) throw new CheckpointError(`${header.name} is ${other.what}, not ${WANTED[wanted]}`, { hint: other.hint });
}

function isNetwork(wanted: WantedKind): boolean {
  return wanted !== "lora" && wanted !== "textual-inversion" && wanted !== "ip-adapter" && wanted !== "upscaler";
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
    case "ip-adapter":
      if (wanted === "ip-adapter") return undefined;
      return { what: WANTED["ip-adapter"], hint: (name) => `open ${checkpoint}, and load this with ${name("loadIPAdapter")}` };
    case "upscaler":
      if (wanted === "upscaler") return undefined;
      return { what: WANTED.upscaler, hint: (name) => `it makes finished pictures larger; give it as ${name("upscaler")}` };
    case "checkpoint":
      if (isNetwork(wanted)) return undefined;
      return { what: `a checkpoint (${found.family})`, hint: (name) => `checkpoints are opened with ${name("fromPretrained")}` };
    case "network": {
      const network = NETWORKS[found.className];
      if (wanted === "checkpoint" || network?.wanted === wanted) return undefined;
      if (network) return network;
      // A text encoder.
      return { what: withArticle(found.className), hint: `it is a part of a checkpoint; give ${WANTED[wanted]}` };
    }
    case "foreign":
      if (isNetwork(wanted)) return undefined;
      return {
        what: `of a family that Darkroom does not run (${found.family})`,
        hint: insteadOfOther(found.family) ?? `it runs ${FAMILY_NAMES}`,
      };
    case "unknown":
      return undefined;
  }
}
