import type { NetworkPrediction } from "./prediction-types.js";

// A family is a group of checkpoints whose networks have the same shape. Each file of this folder states the facts of one family. The
// lookups in lookups.ts find a family by one of its facts.

/** What a picture starts from: noise alone, a picture, or a picture with a mask. */
export type StartName = "noise" | "image" | "mask";

/** Networks that steer the denoising by further pictures: ControlNets, ControlNet Unions, or T2I-Adapters. */
export type ControlName = "controlnet" | "union" | "adapter";

/** A workflow is named after what the picture starts from and after the networks that steer or move it, if there are any. */
export type WorkflowName = StartName | `${ControlName}-${StartName}` | "motion-noise" | "motion-image";

/** What a call uses if it names no value. The values are those of diffusers. */
export interface Defaults {
  /** Denoising steps. */
  readonly steps: number;
  /** Guidance scale; undefined without a prompt. */
  readonly guidance?: number;
  /** Share of the picture that is replaced, 0..1; undefined if no picture is given. */
  readonly strength?: number;
  /** Weight of the networks that steer; undefined without them. */
  readonly control?: number;
  /** How strongly an edited picture stays like the given one; undefined for pipelines that do not edit. */
  readonly imageGuidance?: number;
}

/** What a call with a prompt uses if it names no value. */
export interface PromptedDefaults extends Defaults {
  readonly guidance: number;
}

/** One way to make pictures with a family. */
export interface Workflow {
  /** The pipeline's class in diffusers. */
  readonly className: string;
  readonly defaults: Defaults;
  /** Set if a pipeline that starts from a picture takes all steps that it is asked for; others take a share of `strength`. */
  readonly takesAllSteps?: boolean;
  /** How many times as wide and high as the given picture the new one is; the same size if not set. */
  readonly enlarges?: number;
}

/** What every family has. */
export interface Family {
  readonly id: string;
  /** The name in messages: "Stable Diffusion XL". */
  readonly name: string;
  /** The name in short lists: "XL". Families with the same workflows may share it. */
  readonly shortName: string;
  /** Whether its pipelines take a prompt. */
  readonly takesPrompt: boolean;
  readonly workflows: Readonly<Partial<Record<WorkflowName, Workflow>>>;
  /** The parts listed in `model_index.json` besides the scheduler, by folder name; null for a part that the family does not have. */
  readonly parts: Readonly<Record<string, Part | null>>;
  /** Options and parts that only the pipelines of a few families take, by their names in the API, and the workflows that take them. */
  readonly ownOptions?: Readonly<Record<string, readonly WorkflowName[]>>;
  /**
   * What `guidanceScale` of `generate` is, where it is not that of guidance by a negative prompt: an input of the transformer, or
   * `trueCfgScale`. It is one number for all steps.
   */
  readonly guidance?: "input" | "trueCfgScale";
  /** Options of the pipelines of most families with a prompt that its own pipelines do not have, by their names in the API. */
  readonly lacks?: readonly string[];
  /** Set if there are IP-Adapters for it, and its pipelines take their pictures. */
  readonly takesImagePrompts?: true;
  /** The scales of an IP-Adapter for the UNet's blocks that act on the style and on the layout, where they are known. */
  readonly imagePromptParts?: Readonly<Record<"style" | "layout", ImagePromptBlocks>>;
  /** Set if its pipelines take several pictures to refer to. */
  readonly takesReferences?: true;
  /** Set if a second checkpoint can take over towards the end. */
  readonly refinement?: Refinement;
}

/** Scales of an IP-Adapter by block, a number for each transformer of the block. */
export type ImagePromptBlocks = Readonly<Partial<Record<"down" | "up", Readonly<Record<`block_${number}`, readonly number[]>>>>>;

/** A part of a checkpoint. */
export interface Part {
  /** The Python library of its class. */
  readonly library: string;
  readonly className: string;
  /** The token that fills prompts up; tokenizers only. */
  readonly pad?: "<|endoftext|>" | "!";
  /** Whether only folders have it, and single files never do. */
  readonly isOnlyInFolders?: boolean;
}

/** A family that denoises latents under the guidance of a text. */
export interface LatentFamily extends Family {
  /** The common name of this family and the families that share its pipelines. */
  readonly series: string;
  /**
   * How the class names of its pipelines begin. Families with the same pipelines have the same prefix; the longest one that fits counts.
   */
  readonly classPrefix: string;
  /** Values of `model_index.json` besides the parts. */
  readonly indexOptions: Readonly<Record<string, boolean>>;
  /** How its names in Stability's ModelSpec (`modelspec.architecture`) begin, in lower case. The longest one that fits counts. */
  readonly architecture: string;
  readonly denoiser: Denoiser;
  /** In the order of their folder names. */
  readonly textEncoders: readonly TextEncoderFacts[];
  readonly latents: Latents;
  /** The published checkpoints. A single file gets the configs of the most similar one. */
  readonly published: readonly [PublishedCheckpoint, ...PublishedCheckpoint[]];
  /** Tensor names that only the family's LoRAs have, for LoRAs that do not change the denoiser's attention to text. */
  readonly loraTensors?: RegExp;
  /** Embeddings: one table of vectors in a file, or one for each text encoder. Undefined if its embeddings are those of another family. */
  readonly embeddings?: "one table" | "table per encoder";
}

/** A family whose denoiser is a transformer that reads latents in squares, each of them one token. Its folder is `transformer`. */
export interface TransformerFamily extends Family {
  readonly parts: Readonly<Record<"transformer", Part>> & Family["parts"];
  readonly latents: Latents;
  /** Latents along each side of a token. */
  readonly patch: number;
  /** Side in pixels of pictures whose call names no size. */
  readonly sampleSize: number;
  readonly published: readonly [PublishedTransformer, ...PublishedTransformer[]];
}

/** A checkpoint of a family with a transformer on the hub, and how it differs from others of the family. */
export interface PublishedTransformer {
  /** Its id on the hub. */
  readonly repository: string;
  readonly scheduler: SchedulerConfig;
  /** Values of `model_index.json` besides the parts that it has. */
  readonly indexOptions?: Readonly<Record<string, boolean>>;
  /** Fields of the transformer's config by which it differs, in the spelling of config files. */
  readonly config?: Readonly<Record<string, string | number | boolean | null>>;
  /** A word in the names of its repository and of its files, where no config tells it from another checkpoint. */
  readonly named?: string;
  /** What its model card advises, where the pipeline's defaults are others. */
  readonly defaults?: Partial<Defaults>;
}

/** The network that denoises. */
export interface Denoiser {
  /** Its folder. */
  readonly part: string;
  readonly context: Context;
  /** Heads of every attention; undefined if the number of heads grows with the width. */
  readonly heads?: number;
  /** Numbers in the embedding of sizes and crops. */
  readonly sizeNumbers?: number;
  /** The layer that diffusers has for the original layer `label_emb`; "add_embedding" by default. */
  readonly labels?: "add_embedding" | "class_embedding";
  /** The pipeline's class in `model_index.json` by the channels that the network takes. */
  readonly pipelines: Readonly<Record<number, string>>;
}

/** The text features that a denoiser reads. */
export interface Context {
  /** Numbers of a token's features. */
  readonly width: number;
  /** The end of the names of the denoiser's tensors that have this width as their second axis. */
  readonly tensor: string;
  /** The field of the denoiser's config that states it, in camelCase. */
  readonly field: string;
}

/** A text encoder. */
export interface TextEncoderFacts {
  /** Its folder. */
  readonly part: string;
  /** Which of the family's text encoders, in messages: "second". Empty if it is the only one. */
  readonly ordinal: string;
  /** The authors of its architecture, such as "openai". Each has its own layout of tensors. */
  readonly maker: string;
  /** Numbers of a token's vector. */
  readonly width: number;
}

/** The space in which a family denoises. */
export interface Latents {
  readonly channels: number;
  /** Pixels per latent, along each side. */
  readonly factor: number;
  /** Latents are (encoded - shift) * scale. */
  readonly scale: number;
  readonly shift: number;
}

/** A scheduler's config as in `scheduler_config.json`, with its class. */
export type SchedulerConfig = Readonly<Record<string, string | number | boolean | null>> & { readonly _class_name: string };

/** A checkpoint on the hub that stands for all files like it. */
export interface PublishedCheckpoint {
  /** Its id on the hub. */
  readonly repository: string;
  readonly scheduler: SchedulerConfig;
  /** Channels that its denoiser takes: those of the latents, or more with a masked picture. */
  readonly inChannels: number;
  readonly prediction: NetworkPrediction;
  /** Whether its denoiser takes the guidance scale as an input: a latent consistency model. */
  readonly isConsistency?: boolean;
  /** Side in pixels of the pictures it was trained on. */
  readonly sampleSize: number;
  /** Its own name in Stability's ModelSpec, if that differs from the family's. */
  readonly architecture?: string;
  /** The size of latents in its training config, if that is wrong. Files made from it have the same config. */
  readonly wrongLatentSize?: number;
  /** The step of training at which it was published. Its files state it as `global_step`. */
  readonly globalStep?: number;
}

/** How a second checkpoint finishes the pictures of a first one. */
export interface Refinement {
  /** Families of the second checkpoint. */
  readonly families: readonly string[];
  /** The share of the denoising after which it takes over, by default. */
  readonly from: number;
}
