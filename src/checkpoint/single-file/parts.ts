import { familyByContextWidth, isContextTensor } from "../../families/lookups.js";
import type { Folder } from "../../platform/folder.js";
import type { JsonObject } from "../json.js";
import type { HeaderTensor, SafetensorsHeader } from "../safetensors.js";
import { collectWeights, type Located, type Weights } from "../weights.js";
import { adapterNames } from "./adapter-names.js";
import { DIFFUSERS_NAMES, type Naming } from "./layer-names.js";
import { isMotionFile, MOTION_NAMES } from "./motion-names.js";
import { CLIP_NAMES, openClipLayers, openClipNames, openClipPieces, type Piece } from "./text-encoder-names.js";
import { findEncoders } from "./text-encoders.js";
import { findTransformer } from "./transformers/find-transformer.js";
import type { FileNames } from "./transformers/layout.js";
import { isQwenImageVae, QWEN_IMAGE_VAE, qwenImageVaeNames } from "./transformers/qwen-image-vae.js";
import { controlNetNames, originalLayout, unetNames } from "./unet-names.js";
import { vaeNames } from "./vae-names.js";

/** A network that a single file may hold, by its subfolder in diffusers' layout. */
export type PartName =
  | "unet"
  | "transformer"
  | "vae"
  | "text_encoder"
  | "text_encoder_2"
  | "controlnet"
  | "controlnet_union"
  | "adapter"
  | "motion_adapter";

/** One network of a single file. */
export interface FilePart {
  /** With diffusers' names. */
  readonly weights: Weights;
  /** The authors of the architecture, for text encoders. */
  readonly maker?: "openai" | "laion";
  /** Its class and config, if the name of the part does not tell them. */
  readonly layout?: NetworkLayout;
}

/** A kind of network that files hold. */
export interface NetworkLayout {
  /** The class in diffusers or transformers. */
  readonly className: string;
  /** `config.json` by the shapes of the tensors, which have today's names. */
  config(weights: Weights): JsonObject;
}

/** Where a part's tensors are in a file, and how they are named. */
interface Place {
  readonly prefix: string;
  readonly naming: Naming;
  readonly pieces?: (piece: Piece) => readonly Piece[];
  readonly maker?: FilePart["maker"];
  readonly layout?: NetworkLayout;
  /** The tensor to use instead of the one with this name. */
  readonly instead?: (name: string) => HeaderTensor | undefined;
}

/** The tensors of a header by name, and those whose names begin with a prefix. */
class Names {
  constructor(private readonly header: SafetensorsHeader) {}

  has(name: string): boolean {
    return this.header.tensors.has(name);
  }

  get(name: string): HeaderTensor | undefined {
    return this.header.tensors.get(name);
  }

  shapeOf(name: string): readonly number[] | undefined {
    return this.get(name)?.shape;
  }

  *under(prefix: string): Generator<Piece> {
    for (const [name, stored] of this.header.tensors) {
      if (name.startsWith(prefix)) yield { name: name.slice(prefix.length), stored };
    }
  }

  *namesUnder(prefix: string): Generator<string> {
    for (const { name } of this.under(prefix)) yield name;
  }

  below(prefix: string): FileNames {
    return {
      has: (name) => this.has(prefix + name),
      shapeOf: (name) => this.shapeOf(prefix + name),
      names: [...this.namesUnder(prefix)],
    };
  }

  some(prefix: string): boolean {
    return !this.namesUnder(prefix).next().done;
  }
}

const UNET_PREFIXES = ["model.diffusion_model.", "diffusion_model.", ""];
const CONTROLNET_PREFIXES = ["control_model.", ""];
const CONTROL_EMBEDDING = "controlnet_cond_embedding.conv_in.weight";
/** Only ControlNet Unions have it, whatever their configs say. */
export const UNION_EMBEDDING = "task_embedding";
const VAE_PREFIXES = ["first_stage_model.", "vae.", ""];

/** The networks of a file. */
export interface FileParts {
  readonly parts: ReadonlyMap<PartName, FilePart>;
  /** Text encoders for a transformer, in the order of the file. One that is alone in its file is a part, too. */
  readonly encoders: readonly FilePart[];
}

/** Which of a file's networks to take. */
export interface FindPartsOptions {
  /** Whether to take the moving average of the UNet's weights if the file has it. */
  readonly usesEma?: boolean;
}

/**
 * Finds the networks of a file in the original layout (CompVis' ldm, Stability's sgm). A file with a single network may also have
 * diffusers' layout. Everything else in the file is ignored: training state, noise schedules, and the moving average of the UNet's weights
 * unless `usesEma` is set.
 */
export function findParts(header: SafetensorsHeader, folder: Folder, path: string, { usesEma = false }: FindPartsOptions = {}): FileParts {
  const names = new Names(header);
  const unet = unetPlace(names);
  const places: Readonly<Record<PartName, Place | undefined>> = {
    unet: unet && usesEma ? averaged(unet, names) : unet,
    transformer: findTransformer((prefix) => names.below(prefix)),
    controlnet: controlNetPlace(names),
    controlnet_union: unionPlace(names),
    adapter: adapterPlace(names),
    motion_adapter: isMotionFile(header.tensors.keys()) ? { prefix: "", naming: MOTION_NAMES } : undefined,
    vae: vaePlace(names),
    ...textEncoderPlaces(names),
  };
  const parts = new Map<PartName, FilePart>();
  const open = (part: string, place: Place): FilePart => {
    const { prefix, naming, maker, layout } = place;
    const nameInFile = (name: string) => prefix + (naming.original(name) ?? name);
    const weights = collectWeights(`${header.name} (${part})`, folder, located(names, place, path), nameInFile);
    return { weights, maker, layout };
  };
  for (const [part, place] of Object.entries(places) as [PartName, Place | undefined][]) if (place) parts.set(part, open(part, place));
  const isAlone = parts.size === 0;
  const encoders = findEncoders(header.tensors.keys(), (prefix) => names.below(prefix))
    .filter(({ prefix }) => isAlone || prefix !== "")
    .map((place) => open(place.prefix === "" ? "text_encoder" : place.prefix, place));
  const [encoder] = encoders;
  if (isAlone && encoder) parts.set("text_encoder", encoder);
  return { parts, encoders };
}

function* located(names: Names, { prefix, naming, pieces = (piece) => [piece], instead }: Place, path: string): Generator<Located> {
  for (const whole of names.under(prefix)) {
    for (const { name, stored } of pieces({ ...whole, stored: instead?.(whole.name) ?? whole.stored })) {
      const own = naming.diffusers(name);
      if (own !== undefined) yield { path, stored, name: own };
    }
  }
}

function unetPlace(names: Names): Place | undefined {
  for (const prefix of UNET_PREFIXES) {
    // UNets that read no text belong to other families.
    if (contextWidthUnder(names, prefix) === undefined) continue;
    if (names.has(`${prefix}input_blocks.0.0.weight`) && names.has(`${prefix}output_blocks.0.0.in_layers.2.weight`)) {
      return { prefix, naming: unetNames(originalLayout(names.namesUnder(prefix)), labelsOf(names, prefix)) };
    }
    if (names.has(`${prefix}conv_in.weight`) && names.has(`${prefix}up_blocks.0.resnets.0.conv1.weight`))
      return { prefix, naming: DIFFUSERS_NAMES };
  }
  return undefined;
}

/**
 * The UNet's place with the moving averages of its weights, whose names have no dots. Unchanged if a weight has no average of the same
 * shape.
 */
function averaged(unet: Place, names: Names): Place {
  const instead = (name: string) => names.get(`model_ema.diffusion_model${name.replaceAll(".", "")}`);
  const isWhole = [...names.under(unet.prefix)].every(({ name, stored }) => String(instead(name)?.shape) === String(stored.shape));
  return isWhole ? { ...unet, instead } : unet;
}

/** The layer that diffusers has for `label_emb`: one for sizes and crops, or one for a class. */
function labelsOf(names: Names, prefix: string): "add_embedding" | "class_embedding" {
  return familyByContextWidth(contextWidthUnder(names, prefix))?.denoiser.labels ?? "add_embedding";
}

function contextWidthUnder(names: Names, prefix: string): number | undefined {
  for (const { name, stored } of names.under(prefix)) {
    if (isContextTensor(name)) return stored.shape[1];
  }
  return undefined;
}

function controlNetPlace(names: Names): Place | undefined {
  for (const prefix of CONTROLNET_PREFIXES) {
    if (names.has(`${prefix}input_hint_block.0.weight`)) {
      const under = [...names.namesUnder(prefix)];
      const hints = new Set(under.flatMap((name) => /^input_hint_block\.(\d+)\./.exec(name)?.[1] ?? []).map(Number));
      return {
        prefix,
        naming: controlNetNames(
          originalLayout(under),
          [...hints].sort((a, b) => a - b),
        ),
      };
    }
    if (names.has(`${prefix}${CONTROL_EMBEDDING}`) && !names.has(`${prefix}${UNION_EMBEDDING}`)) return { prefix, naming: DIFFUSERS_NAMES };
  }
  return undefined;
}

function unionPlace(names: Names): Place | undefined {
  const isUnion = names.has(CONTROL_EMBEDDING) && names.has(UNION_EMBEDDING);
  return isUnion ? { prefix: "", naming: DIFFUSERS_NAMES } : undefined;
}

function adapterPlace(names: Names): Place | undefined {
  if (names.has("adapter.body.0.resnets.0.block1.weight")) return { prefix: "", naming: DIFFUSERS_NAMES };
  const isOriginal = names.has("body.0.block1.weight") || names.has("body.0.body.0.block1.weight");
  return isOriginal ? { prefix: "", naming: adapterNames(names.namesUnder("")) } : undefined;
}

function vaePlace(names: Names): Place | undefined {
  for (const prefix of VAE_PREFIXES) {
    if (isQwenImageVae({ shapeOf: (name) => names.shapeOf(prefix + name) }))
      return { prefix, naming: qwenImageVaeNames(names.below(prefix)), layout: QWEN_IMAGE_VAE };
    if (!["encoder", "decoder"].some((half) => names.shapeOf(`${prefix}${half}.conv_in.weight`)?.length === 4)) continue;
    const isDiffusers = names.some(`${prefix}encoder.down_blocks.`) || names.some(`${prefix}decoder.up_blocks.`);
    return { prefix, naming: isDiffusers ? DIFFUSERS_NAMES : vaeNames(names.namesUnder(prefix)) };
  }
  return undefined;
}

function textEncoderPlaces(names: Names): Readonly<Record<"text_encoder" | "text_encoder_2", Place | undefined>> {
  const [first, second] = [textEncoderPlace(names, "conditioner.embedders.0."), textEncoderPlace(names, "conditioner.embedders.1.")];
  // A refiner's only text encoder is the second one of XL.
  if (first?.maker === "laion" && !second) return { text_encoder: undefined, text_encoder_2: first };
  return { text_encoder: first ?? textEncoderPlace(names, "cond_stage_model."), text_encoder_2: second };
}

function textEncoderPlace(names: Names, prefix: string): Place | undefined {
  const openClip = `${prefix}model.`;
  if (names.has(`${openClip}positional_embedding`)) {
    const naming = openClipNames(openClipLayers(names.namesUnder(openClip)));
    return {
      prefix: openClip,
      naming: prefix === "cond_stage_model." ? withoutEnd(naming) : naming,
      pieces: openClipPieces,
      maker: "laion",
    };
  }
  const clip = `${prefix}transformer.`;
  return names.some(`${clip}text_model.`) || names.some(`${clip}embeddings.`)
    ? { prefix: clip, naming: CLIP_NAMES, maker: "openai" }
    : undefined;
}

/**
 * Stable Diffusion 2 reads the output of the last but one of OpenCLIP's 24 layers. diffusers leaves out what follows: the last layer and
 * the projection.
 */
function withoutEnd(naming: Naming): Naming {
  return {
    ...naming,
    diffusers: (name) => (/^(transformer\.resblocks\.23\.|text_projection)/.test(name) ? undefined : naming.diffusers(name)),
  };
}
