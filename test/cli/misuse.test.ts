import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { Picture } from "../../src/image/picture.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";
import { darkroom, expectFailure } from "./darkroom.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await new Picture(16, 16, new Uint8Array(16 * 16 * 3)).save(join(folder, "in.png"));
});

const generate = (...args: string[]) => darkroom(["generate", ...args, "--steps", "2", "--device", "cpu", "--quiet"], folder);
const model = (name: string) => ["--model", checkpoint(name)];
const image = ["--image", "in.png"];
const control = ["--control", checkpoint("controlnet-mini"), "--control-image", "in.png"];
const refiner = ["--refiner", checkpoint("sdxl-refiner-mini")];

describe("darkroom generate, with options that do not go together", () => {
  it.each([
    [["--timesteps", "999,x"], /--timesteps is "999,x"; expected a list of finite numbers, with commas between them/],
    [["--sigmas", "-1,0"], /--sigmas is "-1,0"; expected a list of finite numbers, at least 0/],
    [["--strength", "0.5"], /--strength needs --image: .*\n\s+add --image/],
    [["--mask", "in.png"], /--mask needs --image: .*\n\s+add --image/],
    [[...image, "--mask-padding", "8"], /--mask-padding needs --mask: /],
    [["--control", "net"], /--control needs --control-image: /],
    [["--control-image", "in.png"], /--control-image needs --control: /],
    [["--control-scale", "2"], /--control-scale needs --control: /],
    [["--refine-from", "0.5"], /--refine-from needs --refiner: /],
    [["--revision", "fp16"], /--revision needs --model: .*hub\n\s+add --model OWNER\/NAME/],
    [[...control, ...image, ...refiner], /--control, --image and --refiner cannot be combined: /],
    [["--control-start", "0.2"], /--control-start needs --control: /],
    [["--control-guess"], /--control-guess needs --control: /],
    [[...control, "--control-end", "1.2"], /--control-end is "1.2"; expected a number.*from 0 to 1/],
    [
      [...control, ...model("sd1-mini"), "--control-start", "0.6", "--control-end", "0.5"],
      /--control-start is 0.6 and --control-end 0.5; expected/,
    ],
    [[...image, "--mask", "in.png", ...refiner], /--mask and --refiner cannot be combined: .*\n\s+repaint first/],
    [[...control, "--control", "other"], /2 were given for --control and 1 for --control-image; expected a picture for each/],
    [[...control, "--control-scale", "1", "--control-scale", "2"], /2 were given for --control-scale and 1 for --control;/],
    [[...image, "--strength", "1.5"], /--strength is "1.5"; expected a number from 0 to 1/],
    [["--jpeg", "--webp"], /--jpeg and --webp cannot be combined/],
    [["--quality", "80"], /--quality is for JPEG and WebP.*\n\s+add --jpeg or --webp/],
    [["--quality", "80", "--out", "fox.png"], /--quality is for JPEG and WebP.*\n\s+give --out a name that ends in \.jpg/],
    [["--quality", "101", "--jpeg"], /--quality is "101"; expected a whole number, 1 to 100/],
    [["--out", "fox.tiff", "--model", "nowhere"], /--out is "fox\.tiff"; expected a file name ending in \.png, \.jpg/],
    [["--cache", "1.5"], /--cache is "1.5"; expected a whole number, at least 1, or a share below 1/],
    [["--cache", "0"], /--cache is "0"; expected a whole number, at least 1/],
    [["--cache", "1.5"], /--cache is "1.5"; expected a whole number, at least 1/],
    [[...refiner, "--refine-from", "1"], /--refine-from is "1"; expected a number from/],
  ])("ends with 2, saying why and what to do: %j", async (args, message) => {
    expectFailure(await generate("a red fox", ...args), 2, message);
    expect(readdirSync(folder)).toEqual(["in.png"]);
  });
});

describe("darkroom generate, with options that the checkpoint cannot follow", () => {
  it.each([
    [
      "a ControlNet of Stable Diffusion 1 with XL",
      [...model("sdxl-base-mini"), ...control],
      /--control: this ControlNet takes text features of width 32; the UNet takes .* 64, pooled text and sizes\n.*another family/,
    ],
    [
      "a refiner with Stable Diffusion 1",
      [...model("sd1-mini"), ...refiner],
      /--refiner does not work with sd1-mini.*only.*XL.*\n.*checkpoint of Stable Diffusion XL/,
    ],
    ["a refiner that is no XL", [...model("sdxl-base-mini"), "--refiner", checkpoint("sd1-mini")], /--refiner is .*sd1-mini.*expected.*XL/],
    ["a refiner with no picture to refine", model("sdxl-refiner-mini"), /sdxl-refiner-mini.* is a refiner.*\n.*--image.*--refiner/],
    ["an inpainting checkpoint without picture", model("sd1-inpaint-mini"), /9 channels.*inpainting\n.*--image in\.png --mask mask\.png/],
    ["an inpainting checkpoint without mask", [...model("sd1-inpaint-mini"), ...image], /9 channels.*inpainting/],
    [
      "a strength that leaves no step for the base",
      [...model("sdxl-base-mini"), ...refiner, ...image, "--strength", "0.2"],
      /--strength is 0\.2 and --refine-from 0\.8.*\n.*above 0\.2/,
    ],
    [
      "a strength that leaves no step",
      [...model("sd1-mini"), ...image, "--strength", "0.2"],
      /--strength 0\.2 of 2 steps.*\n.*raise --steps, or --strength/,
    ],
    ["a size for the picture that is no multiple of the VAE's", [...model("sd1-mini"), ...image, "--size", "63x64"], /--size: width is 63/],
  ])("ends with 2 for %s", async (_, args, message) => {
    expectFailure(await generate("a red fox", ...args), 2, message);
    expect(readdirSync(folder)).toEqual(["in.png"]);
  });

  it("ends with 2 for a prompt that the checkpoint cannot take", async () => {
    expectFailure(
      await generate("a red fox", ...model("ddpm-mini")),
      2,
      /ddpm-mini, a DDPMPipeline, takes no prompt.*\n.*leave the prompt out/,
    );
  });

  it.each([
    [["--negative", "blurry"], /--negative has no effect on ddpm-mini/],
    [["--guidance", "3"], /--guidance has no effect/],
    [["--size", "64x64"], /--size has no effect/],
    [["--vae", checkpoint("vae-swap-mini")], /--vae has no effect/],
    [["--lora", loraFile("sd1_peft")], /--lora has no effect/],
    [["--embedding", embeddingFile("cat-toy")], /--embedding has no effect/],
    [["--weighted"], /--weighted has no effect/],
    [["--cache", "2"], /--cache has no effect on ddpm-mini/],
    [image, /--image has no effect/],
    [control, /--control has no effect/],
  ])("ends with 2 for %j without text encoder or autoencoder", async (args, message) => {
    expectFailure(await generate(...model("ddpm-mini"), ...args), 2, message);
  });
});

describe("darkroom generate, with unusable files", () => {
  it("ends with 2 for a picture that does not exist, before any work", async () => {
    expectFailure(await generate("a red fox", "--image", "none.png"), 2, /image none\.png cannot be read/);
  });

  it.each([
    [
      "a whole checkpoint as --vae",
      ["--vae", checkpoint("sd2-mini")],
      /sd2-mini is a whole checkpoint; one network was expected\n\s+give \S+sd2-mini\/vae/,
    ],
    ["a folder that does not exist as --vae", ["--vae", "none"], /none/],
    [
      "another network as --vae",
      ["--vae", checkpoint("controlnet-mini")],
      /ControlNetModel; expected AutoencoderKL or .*AutoencoderTiny or AsymmetricAutoencoderKL for --vae/,
    ],
    [
      "another network as --control",
      ["--control", checkpoint("taesd-mini"), "--control-image", "in.png"],
      /AutoencoderTiny; expected ControlNetModel/,
    ],
    ["a folder that does not exist as --refiner", [...model("sdxl-base-mini"), "--refiner", "none"], /none does not exist/],
  ])("ends with 3 for %s", async (_, args, message) => {
    expectFailure(await generate("a red fox", ...model("sd1-mini"), ...args), 3, message);
    expect(readdirSync(folder)).toEqual(["in.png"]);
  });

  it("ends with 3 for a pipeline that generate does not know", async () => {
    const folder = changedCheckpoint("sd1-mini", "model_index.json", { _class_name: "HunyuanImagePipeline" });
    expectFailure(await generate("a red fox", "--model", folder), 3, /HunyuanImagePipeline.*does not know\n.*it knows/);
  });
});
