import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkpoint } from "./fixtures.js";
import { readTensors, writeSafetensors } from "./safetensors.js";
import { temporaryFolder } from "./temporary.js";

/** The tensors of a safetensors file, by name. */
export type Tensors = ReturnType<typeof readTensors>;

/** The changes in a copy of a checkpoint or of one of its parts. */
export interface Changes {
  /** Fields of `config.json`, as the file spells them; undefined removes a field. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Changes the weights. */
  readonly weights?: (tensors: Tensors) => Tensors;
}

/** A copy of a test checkpoint's part, such as "sd1-mini/unet". It is removed when the test ends. */
export function changedPart(part: string, { config, weights }: Changes): string {
  const folder = copyOf(part);
  if (config) editJson(join(folder, "config.json"), config);
  for (const file of weights ? readdirSync(folder).filter((name) => name.endsWith(".safetensors")) : []) {
    const tensors = readTensors(join(folder, file));
    writeSafetensors(join(folder, file), weights?.(tensors) ?? tensors);
  }
  return folder;
}

/** A copy of a test checkpoint with other fields in the file `path`, or without this file if `fields` is null. */
export function changedCheckpoint(name: string, path: string, fields: Readonly<Record<string, unknown>> | null): string {
  const folder = copyOf(name);
  if (fields) editJson(join(folder, path), fields);
  else rmSync(join(folder, path), { recursive: true });
  return folder;
}

/** A copy of a test checkpoint for another pipeline, with parts of other folders in place of its own. */
export function checkpointOf(className: string, name: string, parts: Readonly<Record<string, string>>): string {
  const folder = changedCheckpoint(name, "model_index.json", { _class_name: className });
  for (const [part, source] of Object.entries(parts)) {
    rmSync(join(folder, part), { recursive: true, force: true });
    cpSync(checkpoint(source), join(folder, part), { recursive: true });
  }
  return folder;
}

function copyOf(name: string): string {
  const folder = join(temporaryFolder(), name.replace("/", "-"));
  cpSync(checkpoint(name), folder, { recursive: true });
  return folder;
}

function editJson(path: string, fields: Readonly<Record<string, unknown>>): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...fields }));
}
