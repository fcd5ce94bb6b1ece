import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { beforeEach, describe, expect, it } from "vitest";
import { parseParameters } from "../../src/image/parameters.js";
import { Picture } from "../../src/image/picture.js";
import { readPngText } from "../../src/image/png.js";
import { checkpoint } from "../helpers/fixtures.js";
import { SMALL, smallFile } from "../helpers/full-size-files.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { darkroom, expectFailure } from "./darkroom.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

/** The pixels of the picture that `darkroom generate` makes. */
async function generated(...args: string[]): Promise<ArrayLike<number>> {
  const common = ["--steps", "3", "--seed", "7", "--device", "cpu", "--force", "--out", "out.png", "--quiet"];
  const { code, stderr } = await darkroom(["generate", "a red fox", ...common, ...args], folder);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return decode(readFileSync(join(folder, "out.png"))).data;
}

async function settings(): Promise<Readonly<Record<string, string>>> {
  return parseParameters((await readPngText(readFileSync(join(folder, "out.png")))).parameters ?? "").settings;
}

describe("darkroom generate --model FILE", () => {
  it("makes the picture of the folder that the file was made of, with --config", async () => {
    const config = checkpoint("sd1-mini");
    const expected = await generated("--model", config);
    expect(await generated("--model", singleFile("sd1-mini"), "--config", config)).toEqual(expected);
  });

  it("takes a file by its name alone, which it writes into the settings without its ending", async () => {
    copyFileSync(smallFile(SMALL.sd15(), 1), join(folder, "small-v1.safetensors"));
    await generated("--model", "small-v1.safetensors", "--size", "64x64");
    expect(await settings()).toMatchObject({ Model: "small-v1", Scheduler: "PNDMScheduler" });
  });

  it("needs no --config for networks of the usual proportions, nor do --refiner and --control", async () => {
    const [base, refiner] = [smallFile(SMALL["sdxl-base"](), 1), smallFile(SMALL["sdxl-refiner"](), 2)];
    const alone = await generated("--model", base, "--size", "64x64");
    expect(await generated("--model", base, "--size", "64x64", "--refiner", refiner, "--refine-from", "0.5")).not.toEqual(alone);
    const [model, control] = [smallFile(SMALL.sd15(), 3), smallFile(SMALL.controlnet(), 4)];
    await new Picture(64, 64, new Uint8Array(64 * 64 * 3).fill(90)).save(join(folder, "in.png"));
    const free = await generated("--model", model, "--size", "64x64");
    expect(await generated("--model", model, "--control", control, "--control-image", "in.png")).not.toEqual(free);
  });
});

describe("darkroom generate --vae FILE", () => {
  it("is the autoencoder that its folder is, scaled as the model's own", async () => {
    const model = ["--model", checkpoint("sd1-mini")];
    const expected = await generated(...model, "--vae", checkpoint("vae-swap-mini"));
    expect(await generated(...model, "--vae", singleFile("vae-swap-mini"))).toEqual(expected);
    const ofFile = ["--model", singleFile("sd1-mini"), "--config", checkpoint("sd1-mini")];
    expect(await generated(...ofFile, "--vae", singleFile("vae-swap-mini"))).toEqual(expected);
    // XL's latents are scaled by another factor than those of Stable Diffusion 1, for which such a file alone would be taken.
    const xl = ["--model", checkpoint("sdxl-base-mini")];
    expect(await generated(...xl, "--vae", singleFile("sdxl-base-mini"))).toEqual(await generated(...xl));
  });
});

describe("darkroom generate refuses", () => {
  it("--config without --model", async () => {
    const run = await darkroom(["generate", "a fox", "--config", checkpoint("sd1-mini")], folder);
    expectFailure(run, 2, /--config needs --model: it says how the networks of that file are built/);
  });

  it("--config for a folder", async () => {
    const run = await darkroom(["generate", "a fox", "--model", checkpoint("sd1-mini"), "--config", checkpoint("sd1-mini")], folder);
    expectFailure(run, 2, /config was given, but .*sd1-mini is no single file/);
  });

  it("a pickle, with the way out", async () => {
    const run = await darkroom(["generate", "a fox", "--model", "model.ckpt"], folder);
    expectFailure(run, 3, /model\.ckpt is a pickle, which can run any code/);
  });

  it("a file that is no checkpoint", async () => {
    const run = await darkroom(
      ["generate", "a fox", "--model", join(process.cwd(), "test/fixtures/lora/adapters/sd1_kohya.safetensors")],
      folder,
    );
    expectFailure(run, 3, /is a LoRA, not a checkpoint/);
  });
});
