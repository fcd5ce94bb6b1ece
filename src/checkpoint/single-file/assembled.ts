import { CheckpointError } from "../../errors.js";
import { camelCase } from "../../letter-case.js";
import type { Folder } from "../../platform/folder.js";
import { warn } from "../../warnings.js";
import type { Wording } from "../../wording.js";
import { classOf, readConfig, readJson } from "../config.js";
import type { JsonObject } from "../json.js";
import { MODEL_INDEX, readModelIndex } from "../model-index.js";
import { kindOf } from "../part-kind.js";
import { findWeights, openWeights, type Weights, weightsIn } from "../weights.js";
import type { FilePart } from "./parts.js";
import type { SingleFile } from "./read-single-file.js";
import { ENCODER_CLASSES, isAlike } from "./text-encoders.js";
import { describeSource } from "./usual-sources.js";
import { VirtualFolder } from "./virtual-folder.js";

// Puts a checkpoint together of the files that people have: a transformer, text encoders and an autoencoder, in one file or several, with
// the configs, the scheduler and the tokenizers of a folder in diffusers' layout.

/** A network in a file, with its class. */
interface Encoder {
  readonly name: string;
  readonly className: string;
  readonly weights: Weights;
}

/** How a checkpoint is put together. */
interface AssemblyOptions {
  /** Whether `config` is that of the most similar published checkpoint, so that shapes of the file go before it. */
  readonly isUsual?: boolean;
  /** Folders of parts that the caller brings. */
  readonly brought?: readonly string[];
}

/** The folder of a transformer's file, with what else it holds, and what `config` has. */
export async function assembled(file: SingleFile, config: Folder, { isUsual = false, brought = [] }: AssemblyOptions): Promise<Folder> {
  const { name } = file.header;
  const transformer = file.parts.get("transformer") as FilePart;
  const json = await readJson(config, MODEL_INDEX);
  const own = config.open("transformer");
  const merged =
    isUsual && transformer.layout
      ? { ...(await readJson(own, "config.json")), ...transformer.layout.config(transformer.weights) }
      : undefined;
  const folders: Record<string, Folder> = {
    transformer: new VirtualFolder(own.name, {
      base: own,
      weights: transformer.weights,
      ...(merged && { files: { "config.json": () => merged } }),
    }),
  };
  const vae = file.parts.get("vae");
  if (vae) folders.vae = new VirtualFolder(`${name}/vae`, { base: config.open("vae"), weights: vae.weights });
  const index: JsonObject = { ...json, ...(json.safety_checker !== undefined && { safety_checker: [null, null] }) };
  const folder = new VirtualFolder(name, { base: config, folders, files: { [MODEL_INDEX]: () => index } });
  const encoders = file.encoders.map(({ weights, layout }) => ({ name: weights.name, className: layout?.className ?? "", weights }));
  return withEncoders(folder, encoders, brought);
}

/**
 * The same checkpoint with text encoders of other files in place of its own; each takes the place of those of its class and width.
 * @throws CheckpointError for a file that is no text encoder, or one that the checkpoint has no place for
 */
export async function withTextEncoders(checkpoint: Folder, files: readonly Folder[]): Promise<Folder> {
  const encoders: Encoder[] = [];
  for (const file of files) {
    const className = file instanceof VirtualFolder && file.className !== undefined ? file.className : await classIn(file);
    if (!ENCODER_CLASSES.includes(className)) {
      throw new CheckpointError(`${file.name} is a ${className}; a text encoder was expected`, {
        hint: `text encoders are ${ENCODER_CLASSES.join(", ")}`,
      });
    }
    const weights = await openWeights(file);
    encoders.push({ name: file.name, className, weights });
  }
  return withEncoders(checkpoint, encoders);
}

/** The class that a folder's config names. */
async function classIn(folder: Folder): Promise<string> {
  return classOf(await readConfig(folder, "config.json")) ?? "network of an unknown class";
}

/** The checkpoint with these text encoders. Parts without weights fail with the usual source of them when they are opened. */
async function withEncoders(checkpoint: Folder, encoders: readonly Encoder[], brought: readonly string[] = []): Promise<Folder> {
  const index = await readModelIndex(checkpoint);
  const json = await readJson(checkpoint, MODEL_INDEX);
  const left = [...encoders];
  const folders: Record<string, Folder> = {};
  const without: Record<string, readonly [null, null]> = {};
  for (const [part, component] of index.components) {
    if (!component || kindOf(component.className) !== "model" || brought.includes(part)) continue;
    const base = checkpoint.open(part);
    if (ENCODER_CLASSES.includes(component.className)) {
      const width = await widthOf(base);
      const found = left.findIndex((each) => isAlike(each.className, component.className) && embeddingWidth(each.weights) === width);
      const [encoder] = found === -1 ? [] : left.splice(found, 1);
      if (encoder) {
        folders[part] = new VirtualFolder(`${encoder.name} as ${part}`, { base: await configFor(encoder, base), weights: encoder.weights });
        continue;
      }
    }
    if (weightsIn(base) || findWeights(await base.list())) continue;
    // Its text encoders may still come in files of their own.
    if (isOptional(index.className, part)) {
      without[part] = [null, null];
      without[part.replace("text_encoder", "tokenizer")] = [null, null];
      warn(
        (option) =>
          `${checkpoint.name} has no T5; prompts are read by its other text encoders alone. To use it, give it as ${option("textEncoder3")}`,
      );
    } else folders[part] = absent(checkpoint.name, index.className, part, component.className, base);
  }
  const [spare] = left;
  if (spare) {
    const places = [...index.components].flatMap(([part, component]) =>
      component && ENCODER_CLASSES.includes(component.className) ? [`${part} (${component.className})`] : [],
    );
    throw new CheckpointError(
      `${spare.name} is a ${spare.className}, ${embeddingWidth(spare.weights)} numbers wide, which ${checkpoint.name} has no place for`,
      { hint: `its text encoders are ${places.join(", ")}` },
    );
  }
  return new VirtualFolder(checkpoint.name, {
    base: checkpoint,
    folders,
    ...(Object.keys(without).length > 0 && { files: { [MODEL_INDEX]: () => ({ ...json, ...without }) } }),
  });
}

/** Stable Diffusion 3 runs without T5. */
function isOptional(className: string, part: string): boolean {
  return className.startsWith("StableDiffusion3") && part === "text_encoder_3";
}

/** The folder of configs for a text encoder. */
async function configFor({ weights }: Encoder, base: Folder): Promise<Folder> {
  const json = await readJson(base, "config.json");
  const projects = Array.isArray(json.architectures) && json.architectures[0] === "CLIPTextModelWithProjection";
  // ComfyUI's clip_l has no projection: for Stable Diffusion 3 it is the identity.
  if (!projects || weights.has("text_projection.weight")) return base;
  const own = { ...json, identity_projection: true };
  return new VirtualFolder(base.name, { base, files: { "config.json": () => own } });
}

async function widthOf(folder: Folder): Promise<unknown> {
  const { hiddenSize, dModel } = await readConfig(folder, "config.json");
  return hiddenSize ?? dModel;
}

const EMBEDDINGS = ["shared.weight", "encoder.embed_tokens.weight", "model.embed_tokens.weight", "embeddings.token_embedding.weight"];

function embeddingWidth(weights: Weights): number | undefined {
  const name = EMBEDDINGS.find((each) => weights.has(each));
  return name === undefined ? undefined : weights.shapeOf(name)[1];
}

/** A part that no file has, with its usual source. */
function absent(name: string, pipeline: string, part: string, className: string, base: Folder): Folder {
  const option = camelCase(part);
  const hint: Wording = (spell) => {
    const source = describeSource(pipeline, part);
    const asOption = part.startsWith("text_encoder") ? spell("textEncoder", { code: option }) : spell(option);
    return source === undefined ? `give it as ${asOption}` : `give its file as ${asOption}; it is usually ${source}`;
  };
  return new VirtualFolder(`${name}/${part}`, { base, absence: { message: `${name} has no ${part} (${className})`, hint } });
}
