import type { TextualInversionDescription } from "../checkpoint/textual-inversion.js";
import type { LoraDescription } from "../lora/describe.js";

// The results of `inspect`. Texts from files are cut and have no control characters.

/** Tensors, counted. */
export interface TensorCounts {
  /** Number of tensors. */
  readonly tensors: number;
  /** Numbers in them. */
  readonly parameters: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
  /** How many tensors there are of each of the format's dtypes: `{ F16: 686 }`. */
  readonly dtypes: Readonly<Record<string, number>>;
}

/** What every inspection has. */
interface Common {
  /** The folder, file or id. */
  readonly name: string;
}

/** What every file, as far as it is one, has. */
interface InFile extends Common {
  /** How much the weights are. */
  readonly counts: TensorCounts;
  /** The metadata in the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One part of a checkpoint. */
export interface InspectedPart {
  /** In diffusers or transformers. */
  readonly className: string;
  /** Of a network whose weights are there. */
  readonly counts?: TensorCounts;
  /** Of which weight files there are variants, beside the full ones or in place of them: `["fp16"]`. */
  readonly variants?: readonly string[];
  /** Why the weights cannot be read. */
  readonly problem?: string;
}

/** A whole checkpoint: a folder in diffusers' layout, or a single file. */
export interface CheckpointInspection extends Common {
  /** What it is. */
  readonly kind: "checkpoint";
  /** Whether it is a folder or a single file. */
  readonly layout: "folder" | "file";
  /** The pipeline's class in diffusers. */
  readonly className: string;
  /** "Stable Diffusion XL"; undefined for those of no family. */
  readonly family: string | undefined;
  /** Whether its UNet takes a masked picture. */
  readonly isInpainting: boolean;
  /** What its UNet predicts, in a scheduler's words: "epsilon", "v_prediction", ... */
  readonly predictionType: string | undefined;
  /** Whether the file does not state it: it is diffusers' choice for the family. */
  readonly isPredictionAssumed: boolean;
  /** The source of each of these, such as "modelspec.prediction_type in the file", "model.yaml" or "unet/config.json". */
  readonly sources: {
    /** Of the family. */
    readonly family: string;
    /** Of the prediction type. */
    readonly predictionType: string;
    /** Of the scheduler. */
    readonly scheduler: string;
    /** Of the size. */
    readonly size: string;
  };
  /** The scheduler's class; undefined if there is none. */
  readonly scheduler: string | undefined;
  /** Side in pixels of the pictures it was trained on. */
  readonly size: number | undefined;
  /** By their subfolders' names; null for a part the pipeline does without. */
  readonly parts: Readonly<Record<string, InspectedPart | null>>;
  /** Of all parts, or of the whole file. */
  readonly counts: TensorCounts;
  /** What is written into a single file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One network. */
export interface NetworkInspection extends Common, InspectedPart {
  /** What it is. */
  readonly kind: "network";
  /** Whether it is a folder or a single file. */
  readonly layout: "folder" | "file";
  /** The checkpoints it looks like one for; undefined where its shapes do not tell, as an autoencoder's. */
  readonly family: string | undefined;
  /** The metadata in the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A part of a checkpoint that is no network: a scheduler, a tokenizer, a processor of pictures. */
export interface PartInspection extends Common {
  /** What it is. */
  readonly kind: "scheduler" | "tokenizer" | "processor";
  /** Its class in diffusers or transformers. */
  readonly className: string | undefined;
  /** What a scheduler takes the network to predict. */
  readonly predictionType?: string;
}

/** A LoRA, or an adapter of another method. */
export interface LoraInspection extends InFile, LoraDescription {
  /** What it is. */
  readonly kind: "lora";
}

/** A textual inversion. */
export interface TextualInversionInspection extends InFile, TextualInversionDescription {
  /** What it is. */
  readonly kind: "textual-inversion";
  /** The family of models it is for; undefined if the file does not show it. */
  readonly family: string | undefined;
}

/** A checkpoint, or a part of one, of a family that Darkroom does not run. */
export interface ForeignInspection extends InFile {
  /** What it is. */
  readonly kind: "foreign";
  /** As far as its names tell. */
  readonly family: string;
}

/** A safetensors file of no known kind. */
export interface UnknownInspection extends InFile {
  /** What it is. */
  readonly kind: "unknown";
  /** Names of its first tensors. */
  readonly names: readonly string[];
}

/** What a folder or file is. */
export type Inspection =
  | CheckpointInspection
  | NetworkInspection
  | PartInspection
  | LoraInspection
  | TextualInversionInspection
  | ForeignInspection
  | UnknownInspection;
