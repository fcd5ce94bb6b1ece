import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { expect } from "vitest";
import { formatParameters, parseParameters } from "../../src/image/parameters.js";
import { encodePng, readPngSize, readPngText } from "../../src/image/png.js";
import { editedBytes, hostileText } from "./hostile.js";
import { attack, refusing, surface } from "./surface.js";

const PIXELS = { width: 3, height: 2, data: new Uint8Array(18) };
const SETTINGS = { Steps: "20", Sampler: "Euler a", "CFG scale": "7.5", Seed: "123", Size: "512x512" };
const TEXT = formatParameters({ prompt: "a red fox", negativePrompt: "blurry", settings: SETTINGS });
const PNG = encodePng(PIXELS, { parameters: TEXT, Comment: "été 🦊" });

async function strike(bytes: Uint8Array): Promise<void> {
  await refusing(() => readPngSize(bytes));
  const texts = await refusing(() => readPngText(bytes));
  for (const text of Object.values(texts ?? {})) parseParameters(text);
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** Said to be so much longer than it is. */
  readonly more: number;
}

/** A PNG file of chunks, whose sums nobody looks at. */
function pngOf(chunks: readonly Chunk[]): Uint8Array {
  const parts = chunks.map(({ type, data, more }) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE((data.length + more) >>> 0);
    return Buffer.concat([length, Buffer.from(type, "latin1"), data, Buffer.alloc(4)]);
  });
  return Buffer.concat([PNG.subarray(0, 8), ...parts]);
}

const latin = (text: string) => Buffer.from(text, "latin1");
const header: Chunk = { type: "IHDR", data: PNG.slice(16, 29), more: 0 };
const end: Chunk = { type: "IEND", data: new Uint8Array(), more: 0 };

/** What a text chunk holds: a keyword, what its kind wants, and a text that may unpack to anything. */
const payload = fc
  .tuple(
    fc.constantFrom("tEXt", "zTXt", "iTXt"),
    fc.oneof(fc.constant("parameters"), hostileText),
    hostileText,
    fc.constantFrom(0, 1, 2),
    fc.boolean(),
  )
  .map(([kind, keyword, text, flag, isCut]): Chunk => {
    const packed = deflateSync(text);
    const body = flag === 1 ? packed.subarray(0, isCut ? packed.length - 3 : undefined) : latin(text);
    const between = kind === "tEXt" ? [] : kind === "zTXt" ? [0] : [flag, 0, 0, 0];
    return { type: kind, data: Buffer.concat([latin(keyword), Buffer.of(0), Buffer.from(between), body]), more: 0 };
  });
const chunk = fc.oneof(
  payload,
  fc.record({
    type: fc.string({ minLength: 4, maxLength: 4 }),
    data: fc.uint8Array({ maxLength: 20 }),
    more: fc.constantFrom(0, 0, 1, -1, 2 ** 31, 2 ** 32 - 1),
  }),
);

/** Very little that unpacks to very much: a text of 900 kB in a kilobyte, again and again. */
const bombs = fc.constantFrom(1, 2000).map((count) => {
  const packed = deflateSync(Buffer.alloc(900_000, 65));
  const texts = Array.from(
    { length: count },
    (_, i): Chunk => ({ type: "zTXt", data: Buffer.concat([latin(`k${i}`), Buffer.of(0, 0), packed]), more: 0 }),
  );
  return pngOf([header, ...texts, end]);
});

/** Texts made of what settings are made of. */
const settings = fc
  .array(
    fc.oneof(
      fc.constantFrom("Steps", ":", ": ", ", ", '"', "\\", "\n", "Negative prompt:", "a", " ", "-", "/", "Size: 1x1", '\\"', "\u0301"),
      hostileText,
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));
const longText = fc
  .tuple(
    fc.constantFrom("a", " ", "a ", '"', '\\"', 'a: "', "ab: ", ", ", "\n", "a-/ ", "Negative prompt:", ":", "ab:,"),
    fc.constantFrom("", "x", '"', "Steps: 1, ab: 2, cd: 3"),
  )
  .map(([part, last]) => part.repeat(300_000 / part.length) + last);

/** Runs `darkroom info` as a user does. */
const info = (bytes: Uint8Array, folder: string) =>
  new Promise<void>((resolve, reject) => {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "fox.png");
    writeFileSync(file, bytes);
    execFile(process.execPath, ["dist/bundle/node/cli.js", "info", file, "--json"], (error, _, stderr) => {
      const code = error ? error.code : 0;
      if (code === 0 || code === 2) resolve();
      else reject(new Error(`darkroom info ended with ${code}: ${stderr}`));
    });
  });

surface("a PNG file's texts", [
  attack("with damaged bytes", editedBytes(PNG), strike, { runs: 500 }),
  attack(
    "in chunks that are wrong",
    fc.array(chunk, { maxLength: 5 }).map((chunks) => pngOf([header, ...chunks, end])),
    strike,
    { runs: 400 },
  ),
  attack("that unpack to very much", bombs, strike, { runs: 2, isBrief: true }),
  attack(
    "of settings that are wrong",
    settings,
    (text) => {
      const { prompt, negativePrompt, settings } = parseParameters(text);
      expect([prompt, negativePrompt, ...Object.values(settings)].every((each) => typeof each === "string")).toBe(true);
    },
    { runs: 1000 },
  ),
  attack("that are very long", longText, (text) => parseParameters(text), { runs: 20 }),
  attack("read by darkroom info", editedBytes(PNG), info, { runs: 3, isBrief: true }),
]);
