import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type JsonObject, parseJson } from "../../src/checkpoint/json.js";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

/** The kinds of case there are, in the order they are run. */
export const GROUPS = [
  "rng",
  "schedulers",
  "scheduler-options",
  "tokenizer",
  "models",
  "prompt-encoding",
  "ip-adapter",
  "upscalers",
  "pipelines",
  "lora",
  "step-cache",
  "steering",
  "quality",
  "quantised",
] as const;
export type Group = (typeof GROUPS)[number];

/** What Python ran, and its inputs and outputs. */
export interface ParityCase<Meta = JsonObject> {
  readonly group: Group;
  readonly name: string;
  /** The folder of its files. */
  readonly folder: string;
  readonly meta: Meta;
  /** Read from the disk at every call. */
  tensors(): Record<string, Tensor<DType>>;
}

/**
 * The cases of a fixtures folder. `only` leaves those of one group ("pipelines"), one case ("pipelines/sdxl_base"), or all that a `*` fits
 * ("pipelines/sdxl*").
 */
export function findCases(fixtures: string, only?: string): ParityCase[] {
  return GROUPS.flatMap((group) => {
    const folder = join(fixtures, group);
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".json")) : [];
    const names = files.map((file) => basename(file, ".json")).sort();
    return names.filter((name) => isWanted(`${group}/${name}`, only)).map((name) => readCase(folder, group, name));
  });
}

function readCase(folder: string, group: Group, name: string): ParityCase {
  const meta = parseCase(readFileSync(join(folder, `${name}.json`), "utf8"));
  return { group, name, folder, meta, tensors: () => readTensors(join(folder, `${name}.safetensors`)) };
}

function isWanted(id: string, only: string | undefined): boolean {
  if (only === undefined) return true;
  const pattern = only.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${pattern}(/.*)?$`).test(id);
}

/** JSON as Python writes it; whole numbers too long for a double (seeds of 64 bits) become strings. */
export function parseCase(text: string): JsonObject {
  const quoted = text.replace(/"(?:[^"\\]|\\.)*"|(?<![\w.+-])-?\d{16,}(?![\d.eE])/g, (token) =>
    token.startsWith('"') ? token : JSON.stringify(token),
  );
  return parseJson(quoted, { depth: 16, pythonLiterals: true }) as JsonObject;
}
