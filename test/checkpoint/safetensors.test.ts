import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSafetensorsHeader, readTensor, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { CheckpointError } from "../../src/errors.js";
import type { Folder } from "../../src/platform/folder.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { allocate, type DType } from "../../src/tensor/dtype.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpointError } from "../helpers/errors.js";
import { readTensors, safetensorsBytes, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FILE = "model.safetensors";
const open = (bytes: Uint8Array) => readSafetensorsHeader(openFolder(temporaryFolder({ [FILE]: bytes })), FILE);
const entry = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });

/** Says what is wrong with a file of this header and this many bytes of data. */
async function complaint(header: unknown, dataLength = 0): Promise<string> {
  const { message } = await checkpointError(open(safetensorsBytes(header, new Uint8Array(dataLength))));
  expect(message).toContain(`${FILE}: `);
  return message;
}

describe("readSafetensorsHeader", () => {
  it("finds each tensor of a real file", async () => {
    const folder = openFolder("test/checkpoints/sd1-mini/text_encoder");
    const { tensors, metadata } = await readSafetensorsHeader(folder, FILE);
    const expected = readTensors("test/checkpoints/sd1-mini/text_encoder/model.safetensors");
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    expect(metadata.get("format")).toBe("pt");
    for (const [name, stored] of tensors) {
      expect(await readTensor(folder, FILE, toStoredTensor(stored, FILE))).toEqual(expected[name]);
    }
  });

  it("takes padding after the header's JSON", async () => {
    expect(
      (await open(safetensorsBytes('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}     ', new Uint8Array(1)))).tensors.size,
    ).toBe(1);
  });

  it("takes a file without tensors", async () => {
    expect((await open(safetensorsBytes({}))).tensors.size).toBe(0);
  });

  it("takes tensors without elements", async () => {
    const { tensors } = await open(safetensorsBytes({ a: entry("F32", [0, 3], [0, 0]), b: entry("F32", [1], [0, 4]) }, new Uint8Array(4)));
    expect(tensors.get("a")?.length).toBe(0);
  });

  it("takes tensors in any order", async () => {
    const { tensors } = await open(safetensorsBytes({ b: entry("U8", [2], [1, 3]), a: entry("U8", [1], [0, 1]) }, new Uint8Array(3)));
    expect([...tensors.keys()]).toEqual(["a", "b"]);
  });

  it("takes names that mean something to JavaScript", async () => {
    const header =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}';
    const { tensors } = await open(safetensorsBytes(header, new Uint8Array(2)));
    expect([...tensors.keys()]).toEqual(["__proto__", "constructor"]);
  });

  it("refuses a file too short for a header's length", async () => {
    expect((await checkpointError(open(new Uint8Array(7)))).message).toMatch(/begins with 8 bytes of header length; this one has 7 bytes/);
  });

  it("refuses an empty file", async () => {
    expect((await checkpointError(open(new Uint8Array(0)))).message).toMatch(/the file is empty/);
  });

  it("refuses a header of 2^63 bytes", async () => {
    const error = await checkpointError(open(safetensorsBytes({}, undefined, 2n ** 63n)));
    expect(error.message).toMatch(/its header claims 9223372036854775808 bytes; the format allows 100000000/);
    expect(error.hint).toMatch(/download/);
  });

  it("refuses a header that ends after the end of the file", async () => {
    expect((await checkpointError(open(safetensorsBytes({}, undefined, 3n)))).message).toMatch(
      /it is cut short: its header has 3 bytes; the file has 2 of them/,
    );
  });

  it("says of a Git LFS pointer how to get the file", async () => {
    const error = await checkpointError(open(Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:0")));
    expect(error.message).toMatch(/Git LFS pointer/);
    expect(error.hint).toMatch(/git lfs pull/);
  });

  it("refuses a pickle under safetensors' name", async () => {
    const error = await checkpointError(open(Buffer.from("PK\x03\x04 archive/data.pkl and so on")));
    expect(error.message).toMatch(/pickle/);
    expect(error.hint).toMatch(/can run code/);
  });

  it.each(["", "{", "not json", '{"a":}', "\ufeff{}", '{"a": NaN}'])("refuses the header %j, which is not JSON", async (header) => {
    expect(await complaint(header)).toMatch(/header is not JSON/);
  });

  it("refuses a header that is not UTF-8", async () => {
    const bytes = safetensorsBytes('{"a":1}');
    bytes[10] = 0xff;
    expect((await checkpointError(open(bytes))).message).toMatch(/header is not JSON/);
  });

  it.each(["[]", "1", "null", '"a"'])("refuses the header %s, which is not an object", async (header) => {
    expect(await complaint(header)).toMatch(/its header holds/);
  });

  it("refuses a tensor that comes twice", async () => {
    const one = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
    expect(await complaint(`{"a":${one},"\\u0061":${one}}`, 1)).toMatch(/the key "a" comes twice/);
  });

  it("refuses a tensor with two shapes", async () => {
    expect(await complaint('{"a":{"dtype":"U8","shape":[1],"shape":[2],"data_offsets":[0,1]}}', 1)).toMatch(/the key "shape" comes twice/);
  });

  it("refuses endless nesting", async () => {
    expect(await complaint(`{"a":${"[".repeat(10_000_000)}`)).toMatch(/nested more than/);
  });

  it.each(["{}", "[]", "0", '{"a":0}'])("refuses %s millions of times, which would fill the memory", async (value) => {
    expect(await complaint(`{"a":[${`${value},`.repeat(2_000_000)}0]}`)).toMatch(/more than 2000000 values/);
  });

  it.each([null, 1, [], "F32"])("refuses %j as a tensor", async (tensor) => {
    expect(await complaint({ a: tensor })).toMatch(/tensor a is .*; an object/);
  });

  it.each(["F7", "f32", "", 5, null, undefined, ["F32"], "constructor"])("refuses the dtype %j and names the tensor", async (dtype) => {
    expect(await complaint({ "conv.weight": entry(dtype, [1], [0, 4]) }, 4)).toMatch(/tensor conv\.weight has dtype .*; known are BOOL/);
  });

  it.each([[[-1]], [[1.5]], [["1"]], ["1"], [null], [{ 0: 1 }], [[[1]]], [[2 ** 53]]])("refuses the shape %j", async (shape) => {
    expect(await complaint({ a: entry("F32", shape, [0, 4]) }, 4)).toMatch(/tensor a has shape .*; whole numbers/);
  });

  it.each([[[2 ** 40, 2 ** 40]], [[2 ** 32, 2 ** 32, 0]], [[2 ** 52]]])(
    "refuses the shape %j, whose bytes nobody can count",
    async (shape) => {
      expect(await complaint({ a: entry("F32", shape, [0, 0]) })).toMatch(/more than a file can hold/);
    },
  );

  it.each([[[0]], [[0, 4, 8]], [[-4, 0]], [["0", "4"]], ["04"], [null], [[0.5, 4.5]]])("refuses the offsets %j", async (offsets) => {
    expect(await complaint({ a: entry("F32", [1], offsets) }, 8)).toMatch(/tensor a has data_offsets .*; \[begin, end\] was expected/);
  });

  it("refuses offsets that end before they begin", async () => {
    expect(await complaint({ a: entry("F32", [1], [4, 0]) }, 4)).toMatch(/tensor a has data_offsets \[4, 0\], which end before they begin/);
  });

  it("refuses offsets that do not hold the shape", async () => {
    expect(await complaint({ a: entry("F16", [3, 2], [0, 8]) }, 8)).toMatch(/tensor a is F16 of shape \[3,2\], 12 bytes; .* hold 8/);
  });

  it("refuses tensors that overlap", async () => {
    expect(await complaint({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [2, 6]) }, 6)).toMatch(/tensor a and tensor b overlap/);
  });

  it("refuses two tensors on the same bytes", async () => {
    expect(await complaint({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [0, 4]) }, 4)).toMatch(/tensor a and tensor b overlap/);
  });

  it("refuses a tensor that is outside the file", async () => {
    expect(await complaint({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [100, 104]) }, 4)).toMatch(
      /tensor b ends at byte \d+; the file has/,
    );
  });

  it("refuses a file cut short", async () => {
    expect(await complaint({ a: entry("F32", [4], [0, 16]) }, 15)).toMatch(/tensor a ends at byte/);
  });

  it("refuses bytes between tensors that belong to none, as the reference implementation does", async () => {
    expect(await complaint({ a: entry("U8", [1], [0, 1]), b: entry("U8", [1], [3, 4]) }, 4)).toMatch(
      /2 bytes between tensor a and tensor b/,
    );
  });

  it("refuses bytes after the last tensor, as the reference implementation does", async () => {
    expect(await complaint({ a: entry("U8", [1], [0, 1]) }, 4)).toMatch(/3 bytes after its last tensor/);
  });

  it.each([1, [], { format: 1 }, { format: null }])("refuses %j as metadata", async (metadata) => {
    expect(await complaint({ __metadata__: metadata })).toMatch(/__metadata__/);
  });

  it("writes no control characters of a tensor's name into a message", async () => {
    expect(await complaint({ "\u001b[2J": entry("U8", [1], [0, 2]) }, 2)).toContain('tensor "\\u001b[2J" is U8');
  });

  it("reads back any tensors that were written", async () => {
    const folder = temporaryFolder();
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string({ minLength: 1 }), randomTensor(), { maxKeys: 6 }), async (tensors) => {
        delete tensors.__metadata__;
        writeSafetensors(join(folder, FILE), tensors, { format: "pt" });
        const { tensors: found } = await readSafetensorsHeader(openFolder(folder), FILE);
        expect(found.size).toBe(Object.keys(tensors).length);
        for (const [name, stored] of found) {
          const read = await readTensor(openFolder(folder), FILE, toStoredTensor(stored, FILE));
          expect(read.dtype).toBe(tensors[name]?.dtype);
          expect(read.shape).toEqual(tensors[name]?.shape);
          expect(bytesOf(read)).toEqual(bytesOf(tensors[name]));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("either refuses a damaged file or describes only bytes that it has", async () => {
    const folder = temporaryFolder();
    const whole = safetensorsBytes(
      {
        __metadata__: { format: "pt" },
        a: entry("F32", [2, 3], [0, 24]),
        "b.weight": entry("F16", [4], [24, 32]),
        c: entry("I64", [], [32, 40]),
      },
      new Uint8Array(40),
    );
    const edit = fc.record({ at: fc.nat(whole.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }), insert: fc.boolean() });
    const ascii = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.stringMatching(/^[[\]{}",:0-9eE-]{1,4}$/).map((s) => Buffer.from(s)),
      insert: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(edit, ascii), { maxLength: 3 }), fc.option(fc.nat(whole.length)), async (edits, cut) => {
        let bytes = Buffer.from(whole);
        for (const { at, bytes: patch, insert } of edits) {
          bytes = Buffer.concat([bytes.subarray(0, at), patch, bytes.subarray(insert ? at : at + patch.length)]);
        }
        if (cut !== null) bytes = bytes.subarray(0, cut);
        writeFileSync(join(folder, FILE), bytes);
        const guarded = insideOf(openFolder(folder), bytes.length);
        const header = await readSafetensorsHeader(guarded, FILE).catch((error: unknown) => {
          expect(error).toBeInstanceOf(CheckpointError);
          return undefined;
        });
        for (const stored of header?.tensors.values() ?? []) {
          expect(stored.offset).toBeGreaterThanOrEqual(8);
          expect(stored.offset + stored.length).toBeLessThanOrEqual(bytes.length);
          await readTensor(guarded, FILE, toStoredTensor(stored, FILE)).catch((error: unknown) =>
            expect(error).toBeInstanceOf(CheckpointError),
          );
        }
      }),
      { numRuns: 600 },
    );
  });
});

describe("toStoredTensor", () => {
  it("refuses a dtype of the format that Darkroom cannot compute with, but only if it is needed", async () => {
    const { tensors } = await open(safetensorsBytes({ a: entry("F8_E8M0", [3], [0, 3]), b: entry("F16", [1], [3, 5]) }, new Uint8Array(5)));
    const [a, b] = [...tensors.values()];
    expect(b && toStoredTensor(b, FILE).dtype).toBe("float16");
    expect(() => a && toStoredTensor(a, FILE)).toThrow(/tensor a is F8_E8M0; Darkroom reads BOOL/);
  });
});

function bytesOf(tensor: Tensor<DType> | undefined): number[] {
  return tensor ? [...new Uint8Array(tensor.data.buffer)] : [];
}

/** The folder, watched: no read may leave the file or ask for more than it has. */
function insideOf(folder: Folder, size: number): Folder {
  return {
    name: folder.name,
    check: () => folder.check(),
    list: () => folder.list(),
    has: (path) => folder.has(path),
    size: (path) => folder.size(path),
    file: (path) => folder.file(path),
    open: (path) => folder.open(path),
    read: (path, offset = 0, length = size) => {
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset + length).toBeLessThanOrEqual(size);
      return folder.read(path, offset, length);
    },
  };
}

function randomTensor(): fc.Arbitrary<Tensor<DType>> {
  const dtypes = fc.constantFrom<DType>(
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "int64",
    "int32",
    "uint8",
    "bool",
  );
  return fc.tuple(dtypes, fc.array(fc.nat(4), { maxLength: 4 }), fc.infiniteStream(fc.nat(255))).map(([dtype, shape, random]) => {
    const data = allocate(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    );
    const bytes = new Uint8Array(data.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.next().value ?? 0;
    return new Tensor(dtype, shape, data);
  });
}
