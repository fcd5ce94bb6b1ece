import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/checkpoint/config.js";
import { openWeights } from "../../../src/checkpoint/weights.js";
import { CheckpointError } from "../../../src/errors.js";
import { openCheckpoint } from "../../../src/hub/open-checkpoint.js";
import { inspect } from "../../../src/inspect/inspect.js";
import { QwenImageTransformer2DModel } from "../../../src/models/qwen-image-transformer.js";
import { rowsOf, type StoredTensor } from "../../../src/tensor/stored-tensor.js";
import { authorsLayout, bytesOf, prefixed } from "../../helpers/authors-layout.js";
import type { Tensors } from "../../helpers/checkpoints.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../../helpers/safetensors.js";
import { temporaryFolder } from "../../helpers/temporary.js";

interface Case {
  readonly checkpoint: string;
  readonly class: string;
  readonly prefix: string;
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly dtype: string; readonly sha256: string }>>;
}
const CASES: readonly Case[] = JSON.parse(readFileSync("test/fixtures/single-file/transformers.json", "utf8")).files;

const tensorsOf = (name: string): Tensors => {
  const folder = checkpoint(`${name}/transformer`);
  const files = readdirSync(folder).filter((file) => file.endsWith(".safetensors"));
  return Object.assign({}, ...files.map((file) => readTensors(join(folder, file))));
};

/** A transformer as a file of its authors or of ComfyUI. */
function fileOf({ checkpoint: name, class: className }: Case, prefix: string): { path: string; tensors: Tensors; made: Tensors } {
  const tensors = tensorsOf(name);
  const made = prefixed(authorsLayout(className, tensors), prefix);
  const path = join(temporaryFolder(), "file.safetensors");
  writeSafetensors(path, made);
  return { path, tensors, made };
}

describe.each(CASES)("$class of $checkpoint in its authors' layout", (each) => {
  it("is made for these tests as Python makes it", () => {
    const { made } = fileOf(each, each.prefix);
    const found = Object.entries(made).map(([name, tensor]) => {
      const sha256 = createHash("sha256").update(bytesOf(tensor)).digest("hex");
      return [name, { shape: tensor.shape, dtype: tensor.dtype, sha256 }];
    });
    expect(Object.fromEntries(found)).toEqual(each.tensors);
  });

  it.each(["", "model.diffusion_model."])('has diffusers\' weights, with the prefix "%s"', async (prefix) => {
    const { path, tensors } = fileOf(each, prefix);
    const weights = await openWeights(await openCheckpoint(path));
    expect(weights.names().sort()).toEqual(Object.keys(tensors).sort());
    const file = readFileSync(path);
    for (const [name, tensor] of Object.entries(tensors)) {
      const stored = weights.get(name);
      expect(stored.shape, name).toEqual(tensor.shape);
      expect(storedBytes(stored, file).equals(Buffer.from(bytesOf(tensor))), name).toBe(true);
    }
  });

  it("has the checkpoint's config by the shapes, or says that no tensor shows the heads", async () => {
    const folder = await openCheckpoint(fileOf(each, each.prefix).path);
    const own = JSON.parse(readFileSync(checkpoint(`${each.checkpoint}/transformer/config.json`), "utf8"));
    if (each.checkpoint === "sd3-mini") await expect(readConfig(folder, "config.json")).rejects.toThrow(CheckpointError);
    else {
      const config = JSON.parse(new TextDecoder().decode(await folder.read("config.json")));
      const { sample_size: _, ...certain } = config;
      expect(own).toMatchObject(certain);
    }
  });

  it("opens with diffusers' names, too, and is recognised", async () => {
    const path = join(temporaryFolder(), "file.safetensors");
    writeSafetensors(path, prefixed(tensorsOf(each.checkpoint), each.prefix));
    const weights = await openWeights(await openCheckpoint(path));
    expect(weights.names().sort()).toEqual(Object.keys(tensorsOf(each.checkpoint)).sort());
    expect(await inspect(path)).toMatchObject({ kind: "network", className: each.class });
    expect(await inspect(fileOf(each, each.prefix).path)).toMatchObject({ kind: "network", className: each.class });
  });
});

it("opens a single file as a network, and saves it as diffusers has it", async () => {
  const [path, folder] = [join(temporaryFolder(), "qwen.safetensors"), temporaryFolder()];
  const tensors = { ...tensorsOf("qwen-image-edit-mini") };
  writeSafetensors(path, prefixed(tensors, "model.diffusion_model."));
  await using transformer = await QwenImageTransformer2DModel.fromSingleFile(path);
  expect(transformer.config.zeroCondT).toBe(false);
  await transformer.savePretrained(folder);
  expect(readTensors(join(folder, "diffusion_pytorch_model.safetensors"))).toEqual(tensors);
});

it("knows Qwen-Image-Edit-2511 by ComfyUI's mark", async () => {
  const path = join(temporaryFolder(), "qwen.safetensors");
  const tensors = tensorsOf("qwen-image-edit-mini");
  const mark = Object.values(tensors)[0] as Tensors[string];
  writeSafetensors(path, prefixed({ ...tensors, __index_timestep_zero__: mark }, "model.diffusion_model."));
  await using transformer = await QwenImageTransformer2DModel.fromSingleFile(path);
  expect(transformer.config.zeroCondT).toBe(true);
});

/** The bytes of a stored tensor in the order of its rows. */
function storedBytes(stored: StoredTensor, file: Buffer): Buffer {
  const [rows = 0] = stored.shape;
  const parts = stored.swapsHalves ? [rowsOf(stored, 0, rows / 2), rowsOf(stored, rows / 2, rows)] : [stored];
  return Buffer.concat(parts.map(({ offset, length }) => file.subarray(offset, offset + length)));
}
