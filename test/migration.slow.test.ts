import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { checkpoint } from "./helpers/fixtures.js";
import { writeSafetensors } from "./helpers/safetensors.js";
import { originalTensors } from "./helpers/single-files.js";
import { temporaryFolder } from "./helpers/temporary.js";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The TypeScript of every row of docs/migration.md that has some. */
const LINES = [...readFileSync(join(ROOT, "docs/migration.md"), "utf8").matchAll(/^\| .* \| `([^`]+)` \|$/gm)].map(([, line = ""]) => line);

/** What the page calls `pipe`, `image`, ..., of tiny checkpoints. */
const PRELUDE = `
import * as darkroom from "darkroom";
import {
  AutoencoderKL, AutoencoderTiny, AutoPipelineForInpainting, AutoPipelineForText2Image, ControlNetModel, DDIMScheduler, DDPMPipeline,
  DiffusionPipeline, DPMSolverMultistepScheduler, EulerDiscreteScheduler, Generator, loadImage, Picture, randn, schedulerNames,
  StableDiffusionControlNetPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline,
  StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline, Tensor, UNet2DConditionModel,
} from "darkroom";

const pipe = await StableDiffusionPipeline.fromPretrained("stable-diffusion-v1-5/stable-diffusion-v1-5");
const other = await StableDiffusionPipeline.fromPretrained("stable-diffusion-v1-5/stable-diffusion-v1-5");
const turbo = await StableDiffusionPipeline.fromPretrained("stable-diffusion-v1-5/stable-diffusion-v1-5", { scheduler: "euler" });
const xl = await StableDiffusionXLPipeline.fromPretrained("stabilityai/stable-diffusion-xl-base-1.0");
const refiner = await StableDiffusionXLImg2ImgPipeline.fromPipe(xl);
const net = await ControlNetModel.fromPretrained("lllyasviel/sd-controlnet-canny");
const img2img = await StableDiffusionImg2ImgPipeline.fromPipe(pipe);
const inpaint = await StableDiffusionInpaintPipeline.fromPipe(pipe);
const control = await StableDiffusionControlNetPipeline.fromPipe(pipe, { controlnet: net });
const ddpm = await DDPMPipeline.fromPretrained("google/ddpm-celebahq-256");
const image = Picture.fromTensor(Tensor.full([3, 32, 32], 0.3));
const mask = Picture.fromTensor(Tensor.full([3, 32, 32], 1));
const latents = (await xl.generate({ prompt: "a fox", denoisingEnd: 0.8, outputType: "latent" })).images;
`;

/** Tiny checkpoints in place of the published ones. */
const TINY: Readonly<Record<string, string>> = {
  "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd1-mini",
  "stabilityai/stable-diffusion-xl-base-1.0": "sdxl-base-mini",
  "lllyasviel/sd-controlnet-canny": "controlnet-mini",
  "madebyollin/taesd": "taesd-mini",
  "google/ddpm-celebahq-256": "ddpm-mini",
  "h94/IP-Adapter": "ip-adapter-mini",
};

it("every line of docs/migration.md compiles and runs", { timeout: 600_000 }, () => {
  expect(LINES.length).toBeGreaterThan(70);
  const folder = temporaryFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/darkroom"), "junction");
  // Each line has a block of its own, so that it may declare names.
  const program = `${PRELUDE}\n${LINES.map((line) => `{ ${line}; }`).join("\n")}\nvoid darkroom;\n`;
  writeFileSync(join(folder, "migration.mts"), program);
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const strict = [
    "--strict",
    "--noEmit",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom",
    "--types",
    "",
    "--module",
    "nodenext",
    "--skipLibCheck",
  ];
  const { stdout } = spawnSync(process.execPath, [tsc, ...strict, "migration.mts"], { cwd: folder, encoding: "utf8" });
  expect(stdout).toBe("");

  const tiny = Object.entries(TINY).reduce((text, [id, name]) => text.replaceAll(id, checkpoint(name)), program);
  // Small pictures in few steps; single files of tiny networks need their configs.
  const run = tiny
    .replace("[1, 4, 64, 64]", "[1, 4, 16, 16]")
    .replace(/(width|height): \d+/g, "$1: 32")
    .replace(/\.(generate|steps)\(\{(?!.*(numInferenceSteps|timesteps))/g, ".$1({ numInferenceSteps: 5,")
    .replace(
      'fromSingleFile("model.safetensors")',
      `fromSingleFile("model.safetensors", { config: ${JSON.stringify(checkpoint("sd1-mini"))} })`,
    );
  writeFileSync(join(folder, "migration.mts"), run);
  writeSafetensors(join(folder, "model.safetensors"), originalTensors("sd1-mini"));
  copyFileSync(checkpoint("../fixtures/lora/adapters/sd1_peft.safetensors"), join(folder, "fox.safetensors"));
  copyFileSync(checkpoint("../fixtures/textual-inversion/embeddings/cat-toy.safetensors"), join(folder, "cat.safetensors"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  execFileSync(process.execPath, ["--import", join(ROOT, "node_modules/tsx/dist/loader.mjs"), "migration.mts"], {
    cwd: folder,
    stdio: "inherit",
  });
});
