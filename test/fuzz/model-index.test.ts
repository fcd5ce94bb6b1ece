import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import type { Json } from "../../src/checkpoint/json.js";
import { readModelIndex } from "../../src/checkpoint/model-index.js";
import { chooseFiles } from "../../src/hub/choose-files.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { editedBytes, editedJson, hostileText, hostileValue } from "./hostile.js";
import { watchSizes } from "./inspecting-engine.js";
import { type Files, MemoryFolder } from "./memory-folder.js";
import { checkpointFiles, openPipeline, openStableDiffusion } from "./pipelines.js";
import { attack, refusing, surface } from "./surface.js";

const FILES = checkpointFiles("sd1-mini");
const INDEX: Json = JSON.parse(String(FILES.get("model_index.json")));

/** Ways out of the checkpoint, each to a folder with a whole UNet. */
const WAYS_OUT = ["../outside", "unet/../../outside", "/outside", "..\\outside"];

const classes: fc.Arbitrary<Json> = fc.tuple(
  fc.oneof(fc.constantFrom("diffusers", "transformers"), hostileText),
  fc.oneof(fc.constantFrom("UNet2DConditionModel", "CLIPTextModel", "AutoencoderKL"), hostileText),
);

/** The index with parts of other names and classes. */
const index = fc.oneof(
  editedJson(INDEX, fc.oneof(classes, hostileValue)),
  fc
    .tuple(fc.constantFrom(...WAYS_OUT), fc.constantFrom("unet", "vae"))
    .map(([way, part]) => String(JSON.stringify(INDEX)).replace(`"${part}"`, JSON.stringify(way))),
);

/** Lays out a checkpoint and, beside it, what it must not reach. */
function layOut(folder: string): string {
  const root = join(folder, "checkpoint");
  if (existsSync(root)) return root;
  for (const [path, bytes] of FILES) {
    const isUnet = path.startsWith("unet/");
    for (const file of [join(root, path), ...(isUnet ? [join(folder, path.replace("unet/", "outside/"))] : [])]) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
    }
  }
  return root;
}

async function strike(bytes: string | Uint8Array, folder: string): Promise<void> {
  const root = layOut(folder);
  writeFileSync(join(root, "model_index.json"), bytes);
  const opened = openFolder(root, "checkpoint");
  const paths = [...FILES.keys()];
  const listing = { name: "checkpoint", paths, folder: opened, fetch: async () => undefined };
  const chosen = await refusing(() => chooseFiles(listing, { kind: "pipeline" }, undefined));
  for (const path of [...(chosen?.needed ?? []), ...(chosen?.optional ?? [])]) expect(paths).toContain(path);
  const files: Files = new Map([...FILES].map(([path, own]) => [`${realpathSync(root)}/${path}`, own]));
  const pipe = await refusing(() => openStableDiffusion(opened, files));
  // A weight that lay elsewhere would be none that the engine knows.
  await refusing(() => pipe?.generate({ prompt: "a fox", numInferenceSteps: 1, seed: 0, outputType: "latent" }));
}

/** One of a checkpoint's JSON files edited. */
function edited(name: string) {
  const files = checkpointFiles(name);
  const paths = [...files.keys()].filter((path) => /(config|index)\.json$/.test(path));
  const one = fc
    .constantFrom(...paths)
    .chain((path) => editedJson(JSON.parse(String(files.get(path)))).map((text): Files => new Map([...files, [path, Buffer.from(text)]])));
  const className = JSON.parse(String(files.get("model_index.json")))._class_name;
  return attack(
    `${name} with a config that is wrong`,
    one,
    async (own) => {
      const unwatch = watchSizes();
      try {
        const pipe = await refusing(() => openPipeline(className, new MemoryFolder(own), own));
        // At the size the checkpoint says.
        const request = {
          prompt: "a (red:1.2) fox",
          promptSyntax: "a1111",
          negativePrompt: "x",
          numInferenceSteps: 2,
          seed: 0,
        };
        await refusing(() => pipe?.generate(request));
      } finally {
        unwatch();
      }
    },
    { runs: 60 },
  );
}

surface("a checkpoint's table of contents", [
  attack("with parts that are wrong", index, strike, { runs: 150 }),
  attack("with damaged bytes", editedBytes(Buffer.from(JSON.stringify(INDEX))), strike, { runs: 100 }),
  attack(
    "of a class with a strange name",
    hostileText.map((name) => JSON.stringify({ ...(INDEX as object), _class_name: name })),
    async (text) => {
      const folder = new MemoryFolder(new Map([["model_index.json", Buffer.from(text)]]));
      await refusing(() => readModelIndex(folder));
      expect(await refusing(() => DiffusionPipeline.fromPretrained(folder))).toBeUndefined();
    },
  ),
  edited("sd1-mini"),
  edited("sdxl-base-mini"),
  edited("ddpm-mini"),
]);
