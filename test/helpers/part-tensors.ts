import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Tensors } from "./checkpoints.js";
import { checkpoint } from "./fixtures.js";
import { readTensors } from "./safetensors.js";

/** All tensors of a part of a tiny checkpoint, such as `z-image-mini/transformer`, which may be in several files. */
export function partTensors(path: string): Tensors {
  const folder = checkpoint(path);
  const files = readdirSync(folder).filter((file) => file.endsWith(".safetensors"));
  return Object.assign({}, ...files.map((file) => readTensors(join(folder, file))));
}
