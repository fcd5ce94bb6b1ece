import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { editedBytes, editedJson, hostileValue } from "./hostile.js";
import { attack, refusing, surface } from "./surface.js";

const INDEX = {
  metadata: { total_size: 4 },
  weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00001-of-00002.safetensors", c: "model-00002-of-00002.safetensors" },
};
const SHARDS: Readonly<Record<string, readonly string[]>> = {
  "part/model-00001-of-00002.safetensors": ["a", "b"],
  "part/model-00002-of-00002.safetensors": ["c"],
  // Of use to an enemy: whole files that an index may not lead to.
  "outside.safetensors": ["a", "b", "c"],
  "part/inner/a.safetensors": ["a", "b", "c"],
};

const path = fc.constantFrom(
  "../outside.safetensors",
  "inner/a.safetensors",
  "./model-00001-of-00002.safetensors",
  "..\\outside.safetensors",
);
const json = editedJson(INDEX, fc.oneof(path, hostileValue));

async function strike(index: string | Uint8Array, folder: string): Promise<void> {
  const part = join(folder, "part");
  if (!existsSync(part)) {
    mkdirSync(join(part, "inner"), { recursive: true });
    for (const [file, names] of Object.entries(SHARDS)) writeFileSync(join(folder, file), shard(names));
  }
  writeFileSync(join(part, "model.safetensors.index.json"), index);
  const weights = await refusing(() => openWeights(openFolder(part, "part")));
  for (const name of weights?.names() ?? []) expect(weights?.get(name).file.id).toMatch(/\/part\/[^/]+\.safetensors$/);
}

function shard(names: readonly string[]): Uint8Array {
  const entries = names.map((name, i) => [name, { dtype: "U8", shape: [1], data_offsets: [i, i + 1] }]);
  return safetensorsBytes(Object.fromEntries(entries), new Uint8Array(names.length));
}

surface("an index of shards", [
  attack("with fields that are wrong", json, strike, { runs: 150 }),
  attack("with damaged bytes", editedBytes(Buffer.from(JSON.stringify(INDEX))), strike, { runs: 200 }),
]);
