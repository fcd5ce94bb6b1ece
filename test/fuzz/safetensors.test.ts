import fc from "fast-check";
import { expect } from "vitest";
import { readSafetensorsHeader, readTensor, type SafetensorsHeader, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { openWeights } from "../../src/checkpoint/weights.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { editedBytes, editedJson, hostileText } from "./hostile.js";
import { MemoryFolder } from "./memory-folder.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "model.safetensors";
const BITS: Readonly<Record<string, number>> = {
  F64: 64,
  F32: 32,
  F16: 16,
  BF16: 16,
  I64: 64,
  I32: 32,
  U8: 8,
  BOOL: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F4: 4,
  F6_E2M3: 6,
  C64: 64,
};

/** A file that is what it should be: the header, and as many bytes as it tells of. */
interface File {
  readonly header: Record<string, unknown>;
  readonly length: number;
}

const tensor = fc.record({
  name: fc.oneof(fc.constantFrom("a.weight", "b", "encoder.layers.0.weight", "x.query.weight", "text_model.a"), hostileText),
  dtype: fc.constantFrom(...Object.keys(BITS)),
  shape: fc.array(fc.nat(4), { maxLength: 4 }),
});

const file: fc.Arbitrary<File> = fc
  .tuple(fc.array(tensor, { maxLength: 6 }), fc.option(fc.dictionary(hostileText, hostileText, { maxKeys: 3 })))
  .map(([tensors, metadata]) => {
    let length = 0;
    const entries: [string, unknown][] = metadata ? [["__metadata__", metadata]] : [];
    for (const { name, dtype, shape } of tensors) {
      const bits = shape.reduce((product, extent) => product * extent, BITS[dtype] ?? 8);
      if (bits % 8 !== 0 || name === "__metadata__") continue;
      entries.push([name, { dtype, shape, data_offsets: [length, length + bits / 8] }]);
      length += bits / 8;
    }
    // A name that comes twice leaves a gap, which is another thing to refuse.
    return { header: Object.fromEntries(entries), length };
  });

/** A file whose header differs in a few fields from one that is right, with about as many bytes as it should have. */
const editedHeader = file.chain(({ header, length }) =>
  fc
    .tuple(
      editedJson(header as never),
      fc.constantFrom(0, 0, 0, -1, 1, 4),
      fc.option(fc.constantFrom(0n, 7n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n), { freq: 8 }),
    )
    .map(([text, more, claimed]) => safetensorsBytes(text, new Uint8Array(Math.max(0, length + more)), claimed ?? undefined)),
);

const whole = file.map(({ header, length }) => safetensorsBytes(header, new Uint8Array(length)));

/** Weights with scales beside them: of all shapes and dtypes, doubled, without a weight. */
const scaled: fc.Arbitrary<File> = fc
  .array(
    fc.record({
      name: fc.constantFrom(
        "a.weight",
        "a.scale_weight",
        "a.weight_scale",
        "a.scale_input",
        "a.comfy_quant",
        "b.weight_scale",
        "scaled_fp8",
        "scale_weight",
      ),
      dtype: fc.constantFrom("F8_E4M3", "F8_E5M2", "F32", "F16", "U8"),
      shape: fc.constantFrom([], [1], [2], [3], [0], [2, 3], [2, 1], [1, 1], [2, 1, 1, 1]),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((tensors) => {
    let length = 0;
    const entries = [...new Map(tensors.map((each) => [each.name, each])).values()].map(({ name, dtype, shape }) => {
      const offset = length;
      length += shape.reduce((product, size) => product * size, (BITS[dtype] ?? 8) / 8);
      return [name, { dtype, shape, data_offsets: [offset, length] }];
    });
    return { header: Object.fromEntries(entries), length };
  });

/** A scale has one number, or as many as its weight has rows. */
async function strikeScales({ header, length }: File): Promise<void> {
  const folder = new MemoryFolder(new Map([[FILE, safetensorsBytes(header, new Uint8Array(length))]]));
  const weights = await refusing(() => openWeights(folder));
  for (const name of weights?.names() ?? []) {
    const found = await refusing(async () => weights?.get(name));
    if (found?.scale) expect([1, found.shape[0]]).toContain(found.scale.shape.reduce((product, size) => product * size, 1));
  }
}

/** Every tensor lies in the file, each byte behind the header belongs to one, and each can be read. */
async function expectDescribed(header: SafetensorsHeader, folder: MemoryFolder, size: number): Promise<void> {
  const tensors = [...header.tensors.values()];
  const bytes = tensors.reduce((sum, { length }) => sum + length, 0);
  const start = tensors.reduce((least, { offset }) => Math.min(least, offset), size);
  expect(bytes).toBe(size - start);
  let end = start;
  for (const stored of tensors) {
    expect(stored.offset).toBe(end);
    end += stored.length;
    const read = await refusing(() => readTensor(folder, FILE, toStoredTensor(stored, FILE)));
    if (read) expect(read.shape).toEqual(stored.shape);
  }
  expect(end).toBe(size);
}

async function strike(bytes: Uint8Array): Promise<void> {
  const folder = new MemoryFolder(new Map([[FILE, bytes]]));
  const header = await refusing(() => readSafetensorsHeader(folder, FILE));
  // What recognises the file, its header once, and nothing of its tensors.
  expect(folder.reads.bytes).toBeLessThanOrEqual(bytes.length + 256);
  if (header) await expectDescribed(header, folder, bytes.length);
  const weights = await refusing(() => openWeights(folder));
  for (const name of weights?.names() ?? []) await refusing(async () => weights?.get(name));
}

/** Files of other kinds under a safetensors file's name: what begins like one of them, and goes on anyhow. */
const foreign = fc
  .tuple(
    fc.constantFrom(
      "",
      "\x89PNG\r\n\x1a\n",
      "\xff\xd8\xff",
      "PK\x03\x04",
      "PK\x03\x04 data.pkl",
      "\x80\x04",
      "GGUF\x03\0\0\0",
      "\x08\x07\x12\x07",
      "<!doctype html><title>",
      "<title".repeat(8000),
      '<?xml version="1.0"?><Error><Code>',
      "version https://git-lfs",
      "---\n",
      "\0".repeat(300),
      '{"error":',
      '{"message": {"detail": [',
      '{"a":'.repeat(9000),
      "[".repeat(60_000),
      '{"weight_map": {}, "_class_name": ',
    ),
    fc.oneof(
      hostileText.map(Buffer.from),
      editedJson({ error: { code: 401, message: "log in" }, detail: [{ msg: "x" }] }).map(Buffer.from),
      fc.uint8Array({ maxLength: 300 }),
    ),
  )
  .map(([start, rest]) => Buffer.concat([Buffer.from(start, "latin1"), rest]));

surface("a safetensors file", [
  attack("that is another kind of file", foreign, strike, { runs: 300 }),
  attack("whose header has fields that are wrong", editedHeader, strike, { runs: 800 }),
  attack("with damaged bytes", whole.chain(editedBytes), strike, { runs: 500 }),
  attack("with scales", scaled, strikeScales, { runs: 200 }),
  attack("of names and metadata that mean something elsewhere", whole, strike, { runs: 300 }),
]);
