import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { expect, onTestFinished } from "vitest";
import { type GenerationParameters, parseParameters } from "../../src/image/parameters.js";
import { Picture } from "../../src/image/picture.js";
import { readPngText } from "../../src/image/png.js";
import { darkroom } from "./darkroom.js";

export const device = "cpu";

/** The request of both sides of every comparison. */
export const request = { prompt: "a red fox", numInferenceSteps: 4, seed: 7 };

const [WIDTH, HEIGHT] = [72, 48];

/** A picture of slopes. */
export const input = paint((x, y, c) => (x * 3 + y * (c + 1) * 2) % 256);

/** A white box on black. */
export const mask = paint((x, y) => (x >= 20 && x < 50 && y >= 10 && y < 30 ? 255 : 0));

/** Writes these two as in.png and mask.png. */
export async function saveInputs(folder: string): Promise<void> {
  await input.save(join(folder, "in.png"));
  await mask.save(join(folder, "mask.png"));
}

/** The picture that `darkroom generate` makes of {@link request} without prompt, as `out.png` in `folder`. The test fails if it prints. */
export async function makePicture(folder: string, ...args: string[]): Promise<Picture> {
  const common = ["--steps", String(request.numInferenceSteps), "--seed", String(request.seed), "--device", device];
  const { code, stderr } = await darkroom(["generate", ...common, "--out", "out.png", "--force", "--quiet", ...args], folder);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { width, height, data } = decode(readFileSync(join(folder, "out.png")));
  return new Picture(width, height, data as Uint8Array);
}

/** What is written into `out.png`. */
export async function parametersOf(folder: string): Promise<GenerationParameters> {
  return parseParameters((await readPngText(readFileSync(join(folder, "out.png")))).parameters ?? "");
}

/** The part, freed when the test ends. */
export async function opened<Part extends AsyncDisposable>(part: Promise<Part>): Promise<Part> {
  const open = await part;
  onTestFinished(() => open[Symbol.asyncDispose]());
  return open;
}

function paint(colour: (x: number, y: number, channel: number) => number): Picture {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return colour(pixel % WIDTH, Math.floor(pixel / WIDTH), i % 3);
  });
  return new Picture(WIDTH, HEIGHT, data);
}
