import type { IPAdapterKind } from "../checkpoint/ip-adapter-kind.js";
import type { NeededPart } from "../checkpoint/single-file/needed-parts.js";
import type { TextualInversionDescription } from "../checkpoint/textual-inversion.js";
import type { UpscalerDescription } from "../checkpoint/upscaler-file.js";
import type { LoraDescription } from "../lora/describe.js";

// The results of `inspect`. Texts from files are cut and have no control characters.

/** The number and size of tensors. */
export interface TensorCounts {
  /** Number of tensors. */
  readonly tensors: number;
  /** How many numbers all tensors hold. */
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

/** What every inspection of a file has. */
interface InFile extends Common {
  /** The size of its tensors. */
  readonly counts: TensorCounts;
  /** The metadata in the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One part of a checkpoint. */
export interface InspectedPart {
  /** In diffusers or transformers. */
  readonly className: string;
  /** The size of its weights; undefined for a part without weights. */
  readonly counts?: TensorCounts;
  /** The variants of its weight files, such as `["fp16"]`. There may be full ones as well. */
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
  /** "Stable Diffusion XL"; undefined if Darkroom knows no family like it. */
  readonly family: string | undefined;
  /** Whether its UNet takes a masked picture. */
  readonly isInpainting: boolean;
  /** What its UNet predicts, as in schedulers' configs: "epsilon", "v_prediction", ... */
  readonly predictionType: string | undefined;
  /** Whether the prediction type is diffusers' assumption for the family, because the file states none. */
  readonly isPredictionAssumed: boolean;
  /** The source of each of these, such as "modelspec.prediction_type in the file", "model.yaml" or "unet/config.json". */
  readonly sources: {
    /** The source of the family. */
    readonly family: string;
    /** The source of the prediction type. */
    readonly predictionType: string;
    /** The source of the scheduler. */
    readonly scheduler: string;
    /** The source of the size. */
    readonly size: string;
  };
  /** The scheduler's class; undefined if there is none. */
  readonly scheduler: string | undefined;
  /** Side in pixels of the pictures that it was trained on. */
  readonly size: number | undefined;
  /** What its model card advises, where the pipeline's defaults are others; undefined if none is known. */
  readonly advised?: {
    /** Denoising steps. */
    readonly steps?: number;
    /** Guidance scale. */
    readonly guidance?: number;
  };
  /** The parts by subfolder; null for a part that the pipeline does not have. */
  readonly parts: Readonly<Record<string, InspectedPart | null>>;
  /** The size of all parts, or of the whole file. */
  readonly counts: TensorCounts;
  /** The metadata in a single file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** One network. */
export interface NetworkInspection extends Common, InspectedPart {
  /** What it is. */
  readonly kind: "network";
  /** Whether it is a folder or a single file. */
  readonly layout: "folder" | "file";
  /** The family of checkpoints that it is for; undefined if its shapes do not show it, like those of most autoencoders. */
  readonly family: string | undefined;
  /** The hub's checkpoint whose configs and tokenizers go with it, for a transformer in a file. */
  readonly configs?: string;
  /** The parts that a picture needs besides, for a transformer in a file that has more than the transformer, or less than all. */
  readonly needs?: readonly NeededPart[];
  /** The metadata in the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A part of a checkpoint without weights: a scheduler, a tokenizer, a processor of pictures. */
export interface PartInspection extends Common {
  /** What it is. */
  readonly kind: "scheduler" | "tokenizer" | "processor";
  /** Its class in diffusers or transformers. */
  readonly className: string | undefined;
  /** What the network predicts, by the scheduler's config. */
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

/** An IP-Adapter. */
export interface IPAdapterInspection extends InFile {
  /** What it is. */
  readonly kind: "ip-adapter";
  /** The family of models it is for, by the width of their text features; undefined if the file does not show it. */
  readonly family: string | undefined;
  /** What it makes its tokens of; undefined if the file does not show it. FaceID takes embeddings of faces, the others take pictures. */
  readonly projection: IPAdapterKind | undefined;
}

/** A network that makes pictures larger. */
export interface UpscalerInspection extends InFile, UpscalerDescription {
  /** What it is. */
  readonly kind: "upscaler";
}

/** A checkpoint, or a part of one, of a family that Darkroom does not run. */
export interface ForeignInspection extends InFile {
  /** What it is. */
  readonly kind: "foreign";
  /** The family that its tensor names show. */
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
  | IPAdapterInspection
  | UpscalerInspection
  | ForeignInspection
  | UnknownInspection;
