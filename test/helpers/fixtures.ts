import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { DType } from "../../src/tensor/dtype.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "./safetensors.js";

/** A case of `test/fixtures`: its `.json` and the tensors of its `.safetensors`. */
export interface Fixture<Meta> {
  readonly meta: Meta;
  /** @throws Error if the case has no such tensor. */
  tensor(name: string): Tensor<DType>;
}

/** The absolute path of a checkpoint made for the tests. */
export function checkpoint(name: string): string {
  return fileURLToPath(new URL(`../checkpoints/${name}`, import.meta.url));
}

/** Reads a case, without Darkroom's own safetensors reader: its errors must not be hidden. */
export function readFixture<Meta>(group: string, name: string): Fixture<Meta> {
  const file = (ending: string) => fileURLToPath(new URL(`../fixtures/${group}/${name}.${ending}`, import.meta.url));
  const tensors = readTensors(file("safetensors"));
  return {
    meta: JSON.parse(readFileSync(file("json"), "utf8")),
    tensor(key) {
      const tensor = tensors[key];
      if (!tensor) throw new Error(`${group}/${name} has no tensor ${key}`);
      return tensor;
    },
  };
}
