import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { camelCaseKeys, classOf, readConfig, readJson } from "./config.js";
import { describe, type Json, type JsonObject, quote } from "./json.js";
import { CHECKPOINT_CONVERSION, pickleError } from "./pickles.js";
import { weightsIn } from "./weights.js";

/** Which class of which Python library a part of a pipeline is. */
export interface ComponentClass {
  /** `diffusers`, `transformers`, or a pipeline's own folder such as `stable_diffusion`. */
  readonly library: string;
  readonly className: string;
}

/** The contents of `model_index.json`. */
export interface ModelIndex {
  /** The pipeline's class in diffusers, e.g. `StableDiffusionPipeline`. It can be one that Darkroom does not have. */
  readonly className: string;
  readonly diffusersVersion: string | undefined;
  /**
   * Parts by their names in the file, which are also their subfolders (`text_encoder_2`). Null for a part that the pipeline does not use.
   */
  readonly components: ReadonlyMap<string, ComponentClass | null>;
  /** Everything else, in camelCase: `requiresSafetyChecker`, `forceZerosForEmptyPrompt`, ... */
  readonly options: JsonObject;
}

/** No pipeline has more than a dozen parts. Each part of a longer list would be looked for. */
const MOST_PARTS = 100;

/** The table of contents of a pipeline's folder. */
export const MODEL_INDEX = "model_index.json";

/**
 * Reads a pipeline folder's table of contents.
 * @throws CheckpointError if the folder does not exist or is a file, if `model_index.json` is missing, not JSON, names no class, or has a
 * malformed part or too many.
 */
export async function readModelIndex(folder: Folder): Promise<ModelIndex> {
  await folder.check();
  if (!(await folder.has(MODEL_INDEX)))
    throw weightsIn(folder) ? await onlyANetwork(folder) : noModelIndex(folder.name, await folder.list());
  const json = await readJson(folder, MODEL_INDEX);
  const name = `${folder.name}/${MODEL_INDEX}`;
  const { _class_name: className, _diffusers_version: version } = json;
  if (typeof className !== "string" || className === "") {
    throw new CheckpointError(`${name} has ${describe(className)} as _class_name; the name of a pipeline class was expected`);
  }
  const components = new Map<string, ComponentClass | null>();
  const options: [string, Json][] = [];
  for (const [key, value] of Object.entries(json)) {
    if (key.startsWith("_")) continue;
    if (Array.isArray(value)) components.set(key, parseComponent(name, key, value));
    else options.push([key, value]);
  }
  if (components.size > MOST_PARTS) {
    throw new CheckpointError(`${name} lists ${components.size} parts; a pipeline has at most ${MOST_PARTS}`);
  }
  return {
    className,
    diffusersVersion: typeof version === "string" ? version : undefined,
    components,
    options: camelCaseKeys(Object.fromEntries(options)),
  };
}

function parseComponent(file: string, key: string, value: readonly Json[]): ComponentClass | null {
  const [library, className] = value;
  if (value.length === 2 && library === null && className === null) return null;
  if (value.length === 2 && typeof library === "string" && typeof className === "string" && /^\w[\w.-]*$/.test(key)) {
    return { library, className };
  }
  throw new CheckpointError(`${file}: component ${JSON.stringify(key)} is ${quote(value)}; [library, class] was expected`);
}

async function onlyANetwork(folder: Folder): Promise<CheckpointError> {
  // A config that cannot be read does not change the error.
  const className = await readConfig(folder, "config.json").then(classOf, () => undefined);
  const what = className === undefined ? "" : ` (${className})`;
  return new CheckpointError(`${folder.name} holds one network${what}, not a whole checkpoint`, {
    hint: (name) => {
      const way = className === undefined ? "" : `, opened by ${name(`${className}.fromSingleFile`)}`;
      return `open a whole checkpoint, and replace its network with this one${way}`;
    },
  });
}

/** The error for a checkpoint without a table of contents. `names` are its files. */
export function noModelIndex(name: string, names: readonly string[]): CheckpointError {
  const single = names.find((file) => file.endsWith(".safetensors"));
  const pickle = names.find((file) => file.endsWith(".ckpt"));
  if (names.includes("config.json")) {
    return new CheckpointError(`${name} has no ${MODEL_INDEX}; its config.json is that of a single model, not of a pipeline`, {
      hint: "give the folder above it, or open the model with its own class",
    });
  }
  if (single !== undefined) {
    return new CheckpointError(`${name} has no ${MODEL_INDEX}; it holds ${single}, which may be a checkpoint in a single file`, {
      hint: `give the file itself: ${name.replace(/\/+$/, "")}/${single}`,
    });
  }
  if (pickle !== undefined) return pickleError(`${name} has no ${MODEL_INDEX}; its file ${pickle}`, CHECKPOINT_CONVERSION);
  return new CheckpointError(`${name} has no ${MODEL_INDEX}`, {
    hint: "give the folder of a checkpoint in diffusers' layout: model_index.json beside unet/, vae/, ...",
  });
}
