import { camelCase } from "../letter-case.js";
import { CONSISTENCY } from "./consistency.js";
import { DDIM } from "./ddim.js";
import { DDPM } from "./ddpm.js";
import { COSXL, type EdmCheckpoint, PLAYGROUND } from "./edm.js";
import type {
  Family,
  LatentFamily,
  PublishedCheckpoint,
  PublishedTransformer,
  TextEncoderFacts,
  TransformerFamily,
  WorkflowName,
} from "./family.js";
import { CHROMA, FLUX, FLUX_FILL, FLUX_KONTEXT } from "./flux.js";
import { FLUX2_KLEIN } from "./flux2-klein.js";
import { INSTRUCT_PIX2PIX, INSTRUCT_PIX2PIX_XL } from "./instruct-pix2pix.js";
import { LATENT_CONSISTENCY } from "./latent-consistency.js";
import { LATENT_UPSCALER } from "./latent-upscaler.js";
import { OTHER_CHANNELS, OTHER_FAMILIES, TEXTLESS_UNET } from "./other-families.js";
import { ordinaryClass } from "./pag-classes.js";
import type { NetworkPrediction } from "./prediction-types.js";
import { QWEN_IMAGE, QWEN_IMAGE_EDIT } from "./qwen-image.js";
import { SCORE_SDE_VE } from "./score-sde-ve.js";
import { STABLE_DIFFUSION_1 } from "./stable-diffusion-1.js";
import { STABLE_DIFFUSION_2 } from "./stable-diffusion-2.js";
import { STABLE_DIFFUSION_2_DEPTH } from "./stable-diffusion-2-depth.js";
import { STABLE_DIFFUSION_3 } from "./stable-diffusion-3.js";
import { STABLE_DIFFUSION_XL } from "./stable-diffusion-xl.js";
import { STABLE_DIFFUSION_XL_REFINER } from "./stable-diffusion-xl-refiner.js";
import { X4_UPSCALER } from "./x4-upscaler.js";
import { Z_IMAGE } from "./z-image.js";

/** The families that denoise latents under the guidance of a text. */
const LATENT = [STABLE_DIFFUSION_1, STABLE_DIFFUSION_2, STABLE_DIFFUSION_XL, STABLE_DIFFUSION_XL_REFINER] as const;
/** The families whose denoiser is a transformer. */
const TRANSFORMERS = [
  Z_IMAGE,
  FLUX2_KLEIN,
  FLUX,
  FLUX_KONTEXT,
  FLUX_FILL,
  CHROMA,
  STABLE_DIFFUSION_3,
  QWEN_IMAGE,
  QWEN_IMAGE_EDIT,
] as const;
const ALL = [
  ...LATENT,
  ...TRANSFORMERS,
  LATENT_CONSISTENCY,
  INSTRUCT_PIX2PIX,
  INSTRUCT_PIX2PIX_XL,
  STABLE_DIFFUSION_2_DEPTH,
  X4_UPSCALER,
  LATENT_UPSCALER,
  DDPM,
  DDIM,
  CONSISTENCY,
  SCORE_SDE_VE,
] as const;

type Known = (typeof ALL)[number];
/** The id of a family. */
export type FamilyId = Known["id"];
/** The class names of all pipelines, in diffusers. */
export type PipelineClassName = { [Each in Known as Each["id"]]: ClassNames<Each["workflows"]> }[FamilyId];
type ClassNames<Workflows> = {
  [Name in keyof Workflows]: Workflows[Name] extends { className: infer Class } ? Class : never;
}[keyof Workflows];

/** Every family. */
export const FAMILIES: readonly (Family & { readonly id: FamilyId })[] = ALL;
/** The families that denoise latents under the guidance of a text. */
export const LATENT_FAMILIES: readonly LatentFamily[] = LATENT;
/** The families whose denoiser is a transformer. */
export const TRANSFORMER_FAMILIES: readonly (TransformerFamily & { readonly id: FamilyId })[] = TRANSFORMERS;
/** The family of files that state nothing else, as in diffusers. */
export const DEFAULT_FAMILY: LatentFamily = STABLE_DIFFUSION_1;
/** The checkpoints with Karras' noise levels. */
export const EDM_CHECKPOINTS: readonly EdmCheckpoint[] = [PLAYGROUND, COSXL];

/** The names of the families whose files Darkroom opens, as a phrase. */
export const FAMILY_NAMES: string = phrase(LATENT.map(({ name }) => name));
/** The names of the families that have ControlNets, as a phrase. */
export const CONTROL_FAMILY_NAMES: string = phrase(
  FAMILIES.filter(({ workflows }) => workflows["controlnet-noise"]).map(({ name }) => name),
);
/** The names of the families that have IP-Adapters, as a phrase. */
export const IMAGE_PROMPT_FAMILY_NAMES: string = phrase(
  FAMILIES.filter(({ takesImagePrompts }) => takesImagePrompts).map(({ name }) => name),
);
/** The names of the families that take several pictures to refer to, as a phrase. */
export const REFERENCE_FAMILY_NAMES: string = phrase(FAMILIES.filter(({ takesReferences }) => takesReferences).map(({ name }) => name));
/** The names of the families that repaint the part of a picture under a mask, as a phrase. */
export const REPAINTING_NAMES: string = phrase(FAMILIES.filter(({ workflows }) => workflows.mask).map(({ name }) => name));
/** The names of the families whose pictures a refiner can finish, as a phrase. */
export const REFINED_FAMILY_NAMES: string = phrase(
  FAMILIES.filter(({ refinement, workflows }) => refinement && workflows.noise).map(({ name }) => name),
);

const CONTEXT_TENSORS = [...new Set(LATENT_FAMILIES.map(({ denoiser }) => denoiser.context.tensor))];
/** The fields of denoisers' configs that have the width of the text features. */
export const CONTEXT_FIELDS: readonly string[] = [...new Set(LATENT_FAMILIES.map(({ denoiser }) => denoiser.context.field))];

/** Whether the second axis of a denoiser's tensor with this name is as wide as the text features. */
export function isContextTensor(name: string): boolean {
  return CONTEXT_TENSORS.some((end) => name.endsWith(end));
}

/** The family whose denoiser reads text features of this width. */
export function familyByContextWidth(width: number | undefined): LatentFamily | undefined {
  return LATENT_FAMILIES.find(({ denoiser }) => denoiser.context.width === width);
}

/** The family that `modelspec.architecture` names. */
export function familyByArchitecture(architecture: string): LatentFamily | undefined {
  return longest(LATENT_FAMILIES, (family) => family.architecture, architecture);
}

/** The published checkpoint that `modelspec.architecture` names. */
export function publishedByArchitecture(architecture: string): PublishedCheckpoint | undefined {
  const published = LATENT_FAMILIES.flatMap((family) => family.published);
  return longest(published, (checkpoint) => checkpoint.architecture, architecture);
}

/** The family with these text encoders: with the same authors, or at least in the same folders. */
export function familyByTextEncoders(found: readonly Pick<TextEncoderFacts, "part" | "maker">[]): LatentFamily | undefined {
  const folders = LATENT_FAMILIES.filter(
    ({ textEncoders }) => String(textEncoders.map(({ part }) => part)) === String(found.map(({ part }) => part)),
  );
  return folders.find(({ textEncoders }) => textEncoders.every(({ maker }, i) => maker === found[i]?.maker)) ?? folders[0];
}

/** The family whose denoiser embeds this many sizes and crops, or the nearest smaller number of them. */
export function familyBySizeNumbers(count: number): LatentFamily | undefined {
  const sized = LATENT_FAMILIES.flatMap((family) => family.denoiser.sizeNumbers ?? []).sort((a, b) => a - b);
  const nearest = sized.findLast((numbers) => numbers <= count) ?? sized[0];
  return LATENT_FAMILIES.find(({ denoiser }) => nearest !== undefined && denoiser.sizeNumbers === nearest);
}

/** The families that have a pipeline of this class, or of the ordinary class of one with perturbed-attention guidance. */
export function familiesByPipeline(className: string): readonly (Family & { readonly id: FamilyId })[] {
  return FAMILIES.filter((family) => workflowsByPipeline(family, className).length > 0);
}

/** The family's workflows that have a pipeline of this class, or of its ordinary class. */
export function workflowsByPipeline({ workflows }: Family, className: string): readonly WorkflowName[] {
  const ordinary = ordinaryClass(className);
  return (Object.keys(workflows) as WorkflowName[]).filter((name) => workflows[name]?.className === ordinary);
}

/** The families that a checkpoint may belong to, by its `model_index.json`. The pipeline's class may be one that Darkroom does not have. */
export function familiesByIndex(className: string, requiresAestheticsScore: boolean): readonly LatentFamily[] {
  const prefix = longest(LATENT_FAMILIES, (family) => family.classPrefix, className)?.classPrefix;
  const kin = LATENT_FAMILIES.filter(({ classPrefix }) => classPrefix === prefix);
  return kin.filter(({ indexOptions }) => (indexOptions.requires_aesthetics_score ?? requiresAestheticsScore) === requiresAestheticsScore);
}

/** The family of a published checkpoint with a transformer. */
export function familyByRepository(repository: string): (TransformerFamily & { readonly id: FamilyId }) | undefined {
  return TRANSFORMER_FAMILIES.find(({ published }) => published.some((each) => each.repository === repository));
}

/** What shows which of a family's published checkpoints another one is like. */
export interface PublishedTraits {
  /** The name of its folder, file or repository. */
  readonly name: string;
  /** Values of `model_index.json` besides the parts, in camelCase. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The config of its scheduler, in camelCase. */
  readonly scheduler: object;
  /** The config of its transformer, in camelCase; undefined if it is not known. */
  readonly transformer?: object | undefined;
}

/**
 * The published checkpoint of a family with a transformer that has these values of `model_index.json` and of the transformer's config, and
 * shifts noise levels alike.
 */
export function publishedLike(
  { id }: Family,
  { name, options, scheduler, transformer }: PublishedTraits,
): PublishedTransformer | undefined {
  const published = TRANSFORMER_FAMILIES.find((family) => family.id === id)?.published ?? [];
  const config = scheduler as Readonly<Record<string, unknown>>;
  const isAlike = (given: Readonly<Record<string, unknown>>, wanted: Readonly<Record<string, unknown>>) =>
    Object.entries(wanted).every(([field, value]) => given[camelCase(field)] === undefined || given[camelCase(field)] === value);
  const fields = transformer as Readonly<Record<string, unknown>> | undefined;
  return published.find(
    ({ indexOptions = {}, scheduler: { shift = null }, config: own = {}, named = "" }) =>
      isNamed(name, named) && isAlike(options, indexOptions) && isAlike(config, { shift }) && (!fields || isAlike(fields, own)),
  );
}

/** Whether the last part of a name has this word. Snapshots in the hub's cache are named after commits, below the repository's folder. */
export function isNamed(name: string, word: string): boolean {
  return new RegExp(`${word}[^\\\\/]*([\\\\/]snapshots[\\\\/][^\\\\/]+)?[\\\\/]*$`, "i").test(name);
}

/** The family of a LoRA that has a tensor of this name. Most names say nothing. */
export function familyByLoraTensor(name: string): LatentFamily | undefined {
  return LATENT_FAMILIES.find(({ loraTensors }) => loraTensors?.test(name));
}

/** The family of an embedding with tables of vectors of these widths. */
export function familyByEmbedding(layout: LatentFamily["embeddings"], widths: readonly number[]): LatentFamily | undefined {
  return LATENT_FAMILIES.find(({ embeddings, textEncoders }) => {
    const isFitting = embeddings === "table per encoder" || textEncoders[0]?.width === widths[0];
    return embeddings === layout && isFitting;
  });
}

/** Names the text encoder that has token vectors of this width, for messages: "Stable Diffusion XL's second text encoder". */
export function describeTextEncoder(width: number): string | undefined {
  for (const { name, textEncoders } of LATENT_FAMILIES) {
    const encoder = textEncoders.find((each) => each.width === width);
    if (encoder) return encoder.ordinal === "" ? name : `${name}'s ${encoder.ordinal} text encoder`;
  }
  return undefined;
}

/** What identifies one of a family's checkpoints. */
export interface CheckpointKind {
  readonly inChannels: number;
  readonly isConsistency: boolean;
  readonly prediction: NetworkPrediction;
}

/**
 * The published checkpoint most similar to a file. A property that no published checkpoint has is ignored. A prediction that none has
 * counts as noise.
 */
export function mostSimilar({ published }: LatentFamily, { inChannels, isConsistency, prediction }: CheckpointKind): PublishedCheckpoint {
  const narrowed = [
    (each: PublishedCheckpoint) => (each.isConsistency ?? false) === isConsistency,
    (each: PublishedCheckpoint) => each.inChannels === inChannels,
    (each: PublishedCheckpoint) => each.prediction === prediction,
    (each: PublishedCheckpoint) => each.prediction === "epsilon",
  ].reduce<readonly PublishedCheckpoint[]>((left, condition) => {
    const fitting = left.filter(condition);
    return fitting.length > 0 ? fitting : left;
  }, published);
  return narrowed[0] ?? published[0];
}

/** A family's published checkpoints that take this many channels, without latent consistency models. */
export function publishedOf({ published }: LatentFamily, inChannels: number): readonly PublishedCheckpoint[] {
  return published.filter((each) => each.inChannels === inChannels && !each.isConsistency);
}

/** What these checkpoints predict. The first one is assumed for a file that states nothing. */
export function predictionsOf(family: LatentFamily, inChannels: number): readonly NetworkPrediction[] {
  return [...new Set(publishedOf(family, inChannels).map(({ prediction }) => prediction))];
}

/** The checkpoint with Karras' noise levels that a file comes from. */
export function edmCheckpointOf(has: (tensor: string) => boolean): EdmCheckpoint | undefined {
  return EDM_CHECKPOINTS.find(({ tensors }) => tensors.every(has));
}

/** The tensors of a checkpoint with Karras' noise levels that a file has, and those that it lacks; undefined if it has all or none. */
export function incompleteEdmTensors(
  has: (tensor: string) => boolean,
): { readonly found: readonly string[]; readonly missing: readonly string[] } | undefined {
  if (edmCheckpointOf(has)) return undefined;
  const tensors = EDM_CHECKPOINTS.map((checkpoint) => checkpoint.tensors).find((names: readonly string[]) => names.some(has)) ?? [];
  const found = tensors.filter(has);
  return found.length > 0 ? { found, missing: tensors.filter((tensor) => !has(tensor)) } : undefined;
}

/** The other family that a file's tensor names show. */
export function otherFamily(names: Iterable<string>): string | undefined {
  let best = OTHER_FAMILIES.length;
  let [hasUNet, takesText] = [false, false];
  for (const name of names) {
    const found = OTHER_FAMILIES.slice(0, best).findIndex(({ tensors }) => tensors?.test(name));
    if (found !== -1) best = found;
    hasUNet ||= name.startsWith(TEXTLESS_UNET.prefix);
    takesText ||= name.endsWith(TEXTLESS_UNET.textTensor);
  }
  return OTHER_FAMILIES[best]?.name ?? (hasUNet && !takesText ? TEXTLESS_UNET.name : undefined);
}

/** What another family's files are, and what to use in their place, where that is known. */
export function insteadOfOther(family: string): string | undefined {
  return OTHER_FAMILIES.find(({ name }) => name === family)?.instead;
}

/** The other family of a LoRA that has a tensor of this name. */
export function otherFamilyByLoraTensor(name: string): string | undefined {
  return OTHER_FAMILIES.find(({ loraTensors }) => loraTensors?.test(name))?.name;
}

/** Describes a UNet that takes a number of channels for which there is no pipeline. */
export function describeChannels(inChannels: number): string {
  const other = OTHER_CHANNELS[inChannels];
  return `a UNet of ${inChannels} channels${other ? `, as that of ${other}` : ""}`;
}

/** The folders that checkpoints have for their parts. */
export function partFolders(): readonly string[] {
  return [...new Set(FAMILIES.flatMap(({ parts }) => Object.keys(parts)).concat("scheduler"))];
}

/** The item whose text is the longest that `whole` begins with. */
function longest<Item>(items: readonly Item[], textOf: (item: Item) => string | undefined, whole: string): Item | undefined {
  const fitting = items.flatMap((item) => {
    const text = textOf(item);
    return text !== undefined && whole.startsWith(text) ? [{ item, length: text.length }] : [];
  });
  return fitting.sort((a, b) => b.length - a.length)[0]?.item;
}

function phrase(names: readonly string[]): string {
  return [names.slice(0, -1).join(", "), ...names.slice(-1)].filter((part) => part !== "").join(" and ");
}
