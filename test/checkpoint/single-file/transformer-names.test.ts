import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { authorsLayers } from "../../../src/checkpoint/single-file/transformer-names.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { readTensors } from "../../helpers/safetensors.js";

interface AuthorsFile {
  readonly checkpoint: string;
  readonly prefix: string;
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly sha256: string }>>;
}

const path = new URL("../../fixtures/single-file/transformers.json", import.meta.url);
const FILES: readonly AuthorsFile[] = JSON.parse(readFileSync(path, "utf8")).files;

/** The bytes of a transformer's tensors, by diffusers' names. */
function bytesOf(name: string): ReadonlyMap<string, Uint8Array> {
  const folder = checkpoint(`${name}/transformer`);
  const files = readdirSync(folder).filter((file) => file.endsWith(".safetensors"));
  const tensors = files.flatMap((file) => Object.entries(readTensors(join(folder, file))));
  return new Map(tensors.map(([key, { data }]) => [key, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]));
}

function swapped(bytes: Uint8Array): Uint8Array {
  const half = bytes.length / 2;
  return Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]);
}

describe.each(FILES)("the authors' layout of $checkpoint", ({ checkpoint: name, prefix, tensors }) => {
  it("has the layers of diffusers under the authors' names, joined and with swapped halves as the authors have them", () => {
    const ours = bytesOf(name);
    const made = new Map(ours);
    for (const { original, layers, swapsHalves } of authorsLayers([...ours.keys()])) {
      for (const kind of ["weight", "bias"]) {
        const parts = layers.flatMap((layer) => ours.get(`${layer}.${kind}`) ?? []);
        if (parts.length === 0) continue;
        for (const layer of layers) made.delete(`${layer}.${kind}`);
        const joined = Buffer.concat(parts);
        made.set(`${original}.${kind}`, swapsHalves ? swapped(joined) : joined);
      }
    }
    const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    // FLUX's norms have a scale, where all other layers have a weight.
    const byLayer = (key: string) => key.replace(/\.scale$/, ".weight").replace("pos_embed.pos_embed", "pos_embed");
    const found = Object.fromEntries([...made].map(([key, bytes]) => [byLayer(key), hash(bytes)]));
    expect(found).toEqual(
      Object.fromEntries(Object.entries(tensors).map(([key, { sha256 }]) => [byLayer(key.slice(prefix.length)), sha256])),
    );
  });
});
