import fc from "fast-check";
import { expect } from "vitest";
import { sizeOf } from "../../src/tensor/tensor.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { editedBytes, editedJson, hostileText } from "./hostile.js";
import { watchSizes } from "./inspecting-engine.js";
import { MemoryFolder } from "./memory-folder.js";
import { checkpointFiles, openStableDiffusion } from "./pipelines.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "style.safetensors";
const CHECKPOINT = checkpointFiles("sd1-mini");

/** Loads the embedding, writes it into a prompt and takes it out again. */
async function strike([bytes, token]: readonly [Uint8Array, string | undefined]): Promise<void> {
  const known = new Map([...CHECKPOINT, [FILE, bytes]]);
  const pipe = await openStableDiffusion(new MemoryFolder(CHECKPOINT), known);
  const unwatch = watchSizes();
  try {
    const folder = new MemoryFolder(new Map([[FILE, bytes]]));
    const tokens = await refusing(() => pipe.loadTextualInversion(folder, { weightName: FILE, token }));
    for (const promptSyntax of ["plain", "a1111"] as const) {
      await refusing(() => pipe.encodePrompt({ prompt: `a ${tokens?.join(" ") ?? "fox"} in snow`, promptSyntax }));
    }
    pipe.unloadTextualInversion();
    expect(pipe.tokenizer.addedTokens).toEqual([]);
  } finally {
    unwatch();
  }
}

const name = fc.oneof(fc.constantFrom("emb_params", "<style>", "clip_l", "clip_g", "text_encoders_0", "text_encoders_1"), hostileText);
const shape = fc.oneof(
  fc.constantFrom([32], [1, 32], [3, 32], [75, 32], [2, 64], [0, 32], [3, 0], [], [1, 1, 32]),
  fc.array(fc.nat(40), { maxLength: 3 }),
  fc.constantFrom([5000, 32], [200_000, 32]),
);
const BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, F8_E4M3: 1 };

/** The header of an embedding of any name and shape, and how many bytes it tells of. */
const embedding = fc
  .array(fc.record({ name, shape, dtype: fc.constantFrom(...Object.keys(BYTES)) }), { minLength: 1, maxLength: 3 })
  .map((tensors) => {
    let length = 0;
    const laidOut = new Map(tensors.map((each) => [each.name, each]));
    const entries = [...laidOut.values()].map(({ name, shape, dtype }) => {
      const start = length;
      length += sizeOf(shape) * (BYTES[dtype] ?? 4);
      return [name, { dtype, shape, data_offsets: [start, length] }];
    });
    return { header: Object.fromEntries(entries), length };
  });

const token = fc.option(hostileText, { nil: undefined, freq: 1 });
const whole = embedding.map(({ header, length }) => safetensorsBytes(header, new Uint8Array(length)));
const one = safetensorsBytes({ emb_params: { dtype: "F32", shape: [2, 32], data_offsets: [0, 256] } }, new Uint8Array(256));

surface("an embedding", [
  attack("of strange names and shapes", fc.tuple(whole, token), strike, { runs: 60 }),
  attack(
    "whose header has fields that are wrong",
    embedding
      .filter(({ length }) => length < 1e6)
      .chain(({ header, length }) =>
        fc.tuple(
          editedJson(header).map((text) => safetensorsBytes(text, new Uint8Array(length))),
          token,
        ),
      ),
    strike,
    { runs: 60 },
  ),
  attack("with damaged bytes", fc.tuple(editedBytes(one), token), strike, { runs: 60 }),
]);
