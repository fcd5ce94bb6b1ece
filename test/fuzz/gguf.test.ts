import fc from "fast-check";
import { expect } from "vitest";
import { type GgufHeader, readGgufHeader } from "../../src/checkpoint/gguf.js";
import { readTensor, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { type GgufContents, type GgufEntry, ggufBytes } from "../helpers/gguf.js";
import { editedBytes, hostileText } from "./hostile.js";
import { MemoryFolder } from "./memory-folder.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "model.gguf";

const value: fc.Arbitrary<GgufEntry> = fc.oneof(
  hostileText.map((text) => [8, text] as const),
  fc.tuple(fc.constantFrom(0, 1, 4, 5, 6, 7, 10, 11, 12, 13, 255), fc.integer()),
  fc.tuple(fc.constantFrom(4, 8, 9), fc.array(fc.integer(), { maxLength: 4 })),
);

const tensor = fc.record({
  name: fc.oneof(fc.constantFrom("a", "b", "blk.0.attn_q.weight"), hostileText),
  shape: fc.array(fc.oneof(fc.nat(3), fc.constantFrom(32, 64, 256, 2 ** 31)), { maxLength: 5 }),
  type: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 1, 2, 8, 12, 14, 30) }, { weight: 1, arbitrary: fc.nat(45) }),
  data: fc.uint8Array({ maxLength: 300 }),
  offset: fc.option(fc.oneof(fc.constantFrom(0, 32, 64, 7), fc.bigInt(0n, 2n ** 64n - 1n)), { nil: undefined, freq: 3 }),
});

const count = fc.option(fc.constantFrom(0n, 1n, 1000n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n), { nil: undefined, freq: 8 });

const file: fc.Arbitrary<GgufContents> = fc
  .record({
    version: fc.constantFrom(3, 3, 3, 2, 1, 0, 2 ** 31),
    values: fc.dictionary(
      fc.oneof(fc.constantFrom("general.alignment", "general.architecture", "comfy.gguf.orig_shape.a"), hostileText),
      value,
      { maxKeys: 4 },
    ),
    tensors: fc.array(tensor, { maxLength: 4 }),
    tensorCount: count,
    valueCount: count,
  })
  .map(({ tensors, tensorCount, valueCount, ...rest }) => ({
    ...rest,
    tensors: tensors.map(({ offset, ...each }) => ({ ...each, ...(offset !== undefined && { offset }) })),
    ...(tensorCount !== undefined && { tensorCount }),
    ...(valueCount !== undefined && { valueCount }),
  }));

/** Every tensor lies in the file, apart from the others, and can be read. */
async function expectDescribed({ tensors }: GgufHeader, folder: MemoryFolder, size: number): Promise<void> {
  let end = 0;
  for (const stored of [...tensors.values()].toSorted((a, b) => a.offset - b.offset || a.length - b.length)) {
    expect(stored.offset).toBeGreaterThanOrEqual(end);
    end = stored.offset + stored.length;
    const read = await refusing(() => readTensor(folder, FILE, toStoredTensor(stored, FILE)));
    if (read) expect(read.data.length).toBe(read.shape.reduce((product, extent) => product * extent, 1));
  }
  expect(end).toBeLessThanOrEqual(size);
}

async function strike(bytes: Uint8Array): Promise<void> {
  const folder = new MemoryFolder(new Map([[FILE, bytes]]));
  const header = await refusing(() => readGgufHeader(folder, FILE));
  // Each attempt reads four times as much as the one before.
  expect(folder.reads.bytes).toBeLessThanOrEqual(bytes.length * 2.5);
  if (header) await expectDescribed(header, folder, bytes.length);
}

surface("a GGUF file", [
  attack("whose header has fields that are wrong", file.map(ggufBytes), strike, { runs: 1000 }),
  attack("with damaged bytes", file.map(ggufBytes).chain(editedBytes), strike, { runs: 500 }),
  attack("that is another kind of file", fc.uint8Array({ maxLength: 300 }), strike, { runs: 200 }),
]);
