import { describe, expect, it } from "vitest";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
import { readTensor, toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { checkpointError } from "../helpers/errors.js";
import { type GgufContents, type GgufTensor, ggufBytes } from "../helpers/gguf.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FILE = "model.gguf";
const open = (bytes: Uint8Array) => readGgufHeader(openFolder(temporaryFolder({ [FILE]: bytes })), FILE);

/** Says what is wrong with a file of these contents. */
async function complaint(contents: GgufContents): Promise<string> {
  const { message } = await checkpointError(open(ggufBytes(contents)));
  expect(message).toContain(`${FILE}: `);
  return message;
}

/** A matrix of zeros in Q4_0. */
const q4 = (changes: Partial<GgufTensor> = {}): GgufTensor => ({
  name: "a",
  shape: [2, 32],
  type: 2,
  data: new Uint8Array(36),
  ...changes,
});

describe("readGgufHeader", () => {
  it("reads values of all types, and long integers exactly", async () => {
    const { values, metadata } = await open(
      ggufBytes({
        values: {
          text: [8, "ü"],
          truth: [7, true],
          long: [10, 2n ** 60n],
          negative: [11, -5],
          float: [6, 0.5],
          double: [12, 0.1],
          words: [8, ["a", "", "ß"]],
          counts: [4, [3, 1, 2]],
        },
      }),
    );
    expect(Object.fromEntries(values)).toEqual({
      text: "ü",
      truth: true,
      long: 2n ** 60n,
      negative: -5,
      float: 0.5,
      double: 0.1,
      words: ["a", "", "ß"],
      counts: [3, 1, 2],
    });
    expect(Object.fromEntries(metadata)).toEqual({ text: "ü" });
  });

  it("reads a header that is longer than the first read", async () => {
    const { values } = await open(ggufBytes({ values: { words: [8, Array.from({ length: 60_000 }, (_, i) => `word ${i}`)] } }));
    expect((values.get("words") as string[]).at(-1)).toBe("word 59999");
  });

  it("turns the axes: the innermost comes last", async () => {
    const { tensors } = await open(ggufBytes({ tensors: [{ name: "a", shape: [2, 3], type: 0, data: new Uint8Array(24) }] }));
    expect(tensors.get("a")).toMatchObject({ dtype: "F32", shape: [2, 3], length: 24 });
  });

  it("takes the alignment that the file states", async () => {
    const data = Uint8Array.from({ length: 4 }, (_, i) => i);
    const folder = openFolder(
      temporaryFolder({
        [FILE]: ggufBytes({
          alignment: 256,
          values: { "general.alignment": [4, 256] },
          tensors: [
            { name: "a", shape: [1], type: 0, data },
            { name: "b", shape: [1], type: 0, data },
          ],
        }),
      }),
    );
    const { tensors } = await readGgufHeader(folder, FILE);
    const [a, b] = [tensors.get("a"), tensors.get("b")];
    expect((b?.offset ?? 0) - (a?.offset ?? 0)).toBe(256);
    if (!b) throw new Error("there is no b");
    expect(new Uint8Array((await readTensor(folder, FILE, toStoredTensor(b, FILE))).data.buffer)).toEqual(data);
  });

  it("gives a tensor the shape that ComfyUI-GGUF notes for it", async () => {
    const values = { "comfy.gguf.orig_shape.a": [5, [1, 2, 4, 4, 2]] } as const;
    expect((await open(ggufBytes({ values, tensors: [q4()] }))).tensors.get("a")?.shape).toEqual([1, 2, 4, 4, 2]);
    const wrong = { "comfy.gguf.orig_shape.a": [5, [1, 2]] } as const;
    expect(await complaint({ values: wrong, tensors: [q4()] })).toContain("tensor a is [2,32]; the file's metadata says that it was");
  });

  it("refuses what it cannot read, and names it", async () => {
    expect(await complaint({ version: 1 })).toContain("GGUF version 1; Darkroom reads 2 and 3");
    expect(await complaint({ version: 3 << 24 })).toContain("big-endian");
    expect(await complaint({ tensors: [q4({ type: 16 })] })).toContain("tensor a is IQ2_XXS; Darkroom reads F32, F16");
    expect(await complaint({ tensors: [q4({ type: 99 })] })).toContain("tensor a is of type 99");
    expect(await complaint({ tensors: [q4({ shape: [2, 33] })] })).toContain("its rows must be multiples of 32");
    expect(await complaint({ tensors: [q4(), q4()] })).toContain("tensor a comes twice");
    expect(await complaint({ tensors: [q4(), q4({ name: "b", offset: 32 })] })).toContain("tensors a and b overlap");
    expect(await complaint({ tensors: [q4({ offset: 8 })] })).toContain("not a multiple of 32");
    expect(await complaint({ tensors: [q4({ shape: [2 ** 40, 2 ** 40] })] })).toContain("more than a file can hold");
    expect(await complaint({ tensors: [q4({ shape: [200, 32] })] })).toContain("cut short: tensor a ends at byte");
    expect(await complaint({ tensors: [q4({ shape: [1, 1, 1, 1, 32] })] })).toContain("5 axes");
    expect(await complaint({ tensorCount: 5n })).toContain("its header goes on after the end of the file");
    expect(await complaint({ tensorCount: 2n ** 63n })).toContain("its header has a length of 9223372036854775808");
    expect(await complaint({ values: { "general.alignment": [4, 24] } })).toContain("general.alignment is 24; a power of two");
    expect(await complaint({ values: { a: [99, 1] } })).toContain("a value of type 99");
  });
});
