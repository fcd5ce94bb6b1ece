import type { Json, JsonObject } from "../checkpoint/json.js";
import { MODEL_INDEX } from "../checkpoint/model-index.js";
import { kindOf, PART_FILES } from "../checkpoint/part-kind.js";
import { DIFFUSERS_VERSION, progressOf, type SavePretrainedOptions, writeTo } from "../checkpoint/saving.js";
import { jsonBytes, snakeCaseKeys } from "../checkpoint/write-json.js";
import { snakeCase } from "../letter-case.js";
import { numbered } from "../models/saved-together.js";
import { hasMethods } from "../options/fields.js";
import type { OutputFolder } from "../platform/output-folder.js";
import { warn } from "../warnings.js";
import type { ComponentSource } from "./shared/components.js";

/** A part that can be saved: a network, scheduler, tokenizer or image processor. */
interface SavablePart {
  readonly className: string;
  saveTo(output: OutputFolder, options: SavePretrainedOptions): Promise<void>;
  /** Bytes of its weights; networks only. */
  savedBytes?(options: SavePretrainedOptions): number;
}

/** A pipeline that is saved. */
export interface SavedPipeline {
  readonly className: string;
  /** Its parts by their names in the API; a list for several networks. */
  readonly parts: Readonly<Record<string, unknown>>;
  /** Names of parts that diffusers' class has and that are absent, as files spell them. */
  readonly absent: readonly string[];
  /** Further values of `model_index.json`, in camelCase. */
  readonly options: JsonObject;
  readonly source: ComponentSource | undefined;
}

/** Writes all parts of a pipeline and `model_index.json`. */
export async function savePipeline(path: string, pipeline: SavedPipeline, options: SavePretrainedOptions): Promise<void> {
  const { signal, onProgress, overwrite } = options;
  const folders = Object.entries(pipeline.parts).flatMap(([name, value]) => foldersOf(snakeCase(name), value));
  const total = folders.reduce((sum, { part }) => sum + (part.savedBytes?.(options) ?? 0), 0);
  const fill = async (output: OutputFolder) => {
    for (const { folder, part } of folders) await part.saveTo(output.open(folder), options);
    const index: Record<string, Json> = Object.fromEntries(pipeline.absent.map((name) => [name, [null, null]]));
    for (const [name, value] of Object.entries(pipeline.parts)) {
      const part = snakeCase(name);
      const className = classNameOf(value) ?? (value === undefined ? await copyPart(part, pipeline.source, output) : undefined);
      index[part] = className === undefined ? [null, null] : [libraryOf(className), className];
    }
    const origin = { _class_name: pipeline.className, _diffusers_version: DIFFUSERS_VERSION };
    await output.write(MODEL_INDEX, jsonBytes({ ...index, ...snakeCaseKeys(pipeline.options), ...origin }));
  };
  await writeTo(path, fill, { signal, overwrite, onBytes: progressOf(total, onProgress) });
}

/** The folders of a part: one, or several for several ControlNets. */
function foldersOf(name: string, value: unknown): readonly { readonly folder: string; readonly part: SavablePart }[] {
  const parts = value === null || value === undefined ? [] : [value].flat();
  return parts.flatMap((part, i) => {
    if (isSavable(part)) return { folder: numbered(name, i), part };
    warn(`${name} cannot be saved: it is not one of Darkroom's classes`);
    return [];
  });
}

function isSavable(part: unknown): part is SavablePart {
  return hasMethods(part, "saveTo") && typeof (part as SavablePart).className === "string";
}

function classNameOf(value: unknown): string | undefined {
  const [first, another] = [value].flat();
  if (!isSavable(first)) return undefined;
  return another === undefined ? first.className : (SEVERAL[first.className] ?? first.className);
}

/** The classes of several networks that are saved together, by the class of one. */
const SEVERAL: Readonly<Record<string, string>> = {
  ControlNetModel: "MultiControlNetModel",
  ControlNetUnionModel: "MultiControlNetUnionModel",
  T2IAdapter: "MultiAdapter",
};

/** Copies the config of a part that the pipeline has not loaded, because it does not need it, and returns the part's class. */
async function copyPart(name: string, source: ComponentSource | undefined, output: OutputFolder): Promise<string | undefined> {
  const { folder, className } = source?.placeOf(name) ?? {};
  if (!folder || className === undefined) return undefined;
  const kind = kindOf(className);
  const [files = []] = kind === "model" ? [] : PART_FILES[kind].needed;
  const there = await Promise.all(files.map((file) => folder.has(file)));
  if (files.length === 0 || there.includes(false)) return undefined;
  for (const file of files) await output.open(name).write(file, await folder.read(file));
  return className;
}

/** The Python library of a class. */
function libraryOf(className: string): string {
  if (className === "StableDiffusionSafetyChecker") return "stable_diffusion";
  return /^(CLIP|T5|Qwen[23])/.test(className) ? "transformers" : "diffusers";
}
