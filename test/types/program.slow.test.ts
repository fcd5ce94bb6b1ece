import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../helpers/temporary.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const RESOLUTIONS = {
  NodeNext: ["--module", "nodenext"],
  Bundler: ["--module", "esnext", "--moduleResolution", "bundler"],
  "Bundler with exactOptionalPropertyTypes": ["--module", "esnext", "--moduleResolution", "bundler", "--exactOptionalPropertyTypes"],
} as const;

/** What the compiler says of a program beside an installed package, without skipLibCheck or Node's types; one line for each line of it. */
function complaints(program: string, options: readonly string[]): string[] {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/darkroom"), "junction");
  writeFileSync(join(folder, "program.mts"), program);
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const strict = ["--strict", "--declaration", "--skipLibCheck", "false", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
  try {
    execFileSync(process.execPath, [tsc, ...strict, ...options, "--outDir", "out", "program.mts"], { cwd: folder, encoding: "utf8" });
    return [];
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split("\n");
  }
}

const EXPORTS = `
declare const process: { readonly argv: readonly string[] };
import {
  AutoencoderKL, DDPMPipeline, DiffusionPipeline, EulerDiscreteScheduler, inspect, loadImage, randn,
  StableDiffusionControlNetPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline,
} from "darkroom";

import { checkRequest, generate, openingOf, openWorkflow, runOf } from "darkroom/generate";

export const wanted = checkRequest({ prompt: "a panda" });
export const workflow = await openWorkflow(openingOf(wanted));
export const events = workflow.run(runOf(wanted));
export const generated = await generate(wanted);

export const pipe = await DiffusionPipeline.fromPretrained("folder");
export const result = await pipe.generate({ prompt: "a panda" });
export const show = (): void => document.body.append(...result.images.map((image) => image.toCanvas()), result.images[0]?.toCanvas() ?? "");
export const drawn: OffscreenCanvas | undefined = result.images[0]?.toCanvas(new OffscreenCanvas(1, 1));
export const run = pipe.steps({ prompt: "a panda" });
export const { scheduler, queue, vae, tokenizer } = pipe;
export const network = "unet" in pipe ? pipe.unet : pipe.transformer;
export const config = pipe.scheduler.config;
export const { weights, adapters } = network;
export const memory = pipe.vae.memory;
export const configs = [network.config, pipe.vae.config, EulerDiscreteScheduler.fromConfig(config).config] as const;
export const secondEncoder = pipe.className === "StableDiffusionXLPipeline" ? pipe.textEncoder2 : pipe.textEncoder;

export const sd = await StableDiffusionPipeline.fromPretrained("folder", { scheduler: "euler" });
sd.scheduler = "dpm++-2m-karras";
export const img2img = new StableDiffusionImg2ImgPipeline({ ...sd });
export const image = await loadImage("in.png");
export const repainted = await img2img.generate({ prompt: "a panda", image });
export const xl = await StableDiffusionXLPipeline.fromSingleFile("file");
export const { settings } = xl;
export const embeds = await xl.encodePrompt({ prompt: "a panda" });
export const { controlnet } = await StableDiffusionControlNetPipeline.fromPretrained("folder");
export const ddpm = await DDPMPipeline.fromPretrained("folder");
export const made = ddpm.generate();
export const lora = await sd.loadLoraWeights("file");
export const found = await inspect("folder");
export const opened = await AutoencoderKL.fromSingleFile("file");
export const noise = randn([1, 2]);

export type Request = Parameters<typeof sd.generate>[0];
export const request: Request = { prompt: "a panda" };
export const draw = (wanted: Request) => sd.generate(wanted);
export const open: Parameters<typeof StableDiffusionPipeline.fromPretrained>[1] = {};
export class Own extends StableDiffusionPipeline {}

export const steps: number | undefined = process.argv.length;
export const perhaps = sd.generate({ prompt: "a panda", numInferenceSteps: steps, signal: undefined, outputType: undefined });
export const device = StableDiffusionPipeline.fromPretrained("folder", { device: undefined, vae: undefined, scheduler: undefined });
export const stepped = scheduler.step(noise, 1, noise, { generator: undefined });
`;

const WRONG = `
import { DiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline } from "darkroom";
declare const pipe: StableDiffusionPipeline;
declare const img2img: StableDiffusionImg2ImgPipeline;
void pipe.generate({ prompt: "a", steps: 20 });
void pipe.generate({ prompt: "a", numInferenceSteps: "20" });
void pipe.generate({ prompt: 5 });
void pipe.generate({ prompt: "a", outputType: "pil" });
void pipe.generate({ prompt: "a", image: "in.png" });
void pipe.generate({});
void img2img.generate({ image: "in.png" });
void pipe.encodePrompt({});
void DiffusionPipeline.fromPretrained("folder", { lowMemoy: true });
void StableDiffusionPipeline.fromPretrained("folder", { lowMemory: "yes" });
void StableDiffusionPipeline.fromPretrained("folder", { textEncoder2: null });
void StableDiffusionPipeline.fromPretrained(5);
pipe.scheduler = 3;
`;

describe.each(Object.entries(RESOLUTIONS))("a program, under %s", (_, options) => {
  it("may export all that it gets, with declarations", () => {
    expect(complaints(EXPORTS, options)).toEqual([]);
  });

  it("gets one short error for each wrong option, at its place", () => {
    const lines = complaints(WRONG, options);
    const errors = lines.filter((line) => line.startsWith("program.mts"));
    const places = errors.map((line) => Number(/\((\d+),/.exec(line)?.[1]));
    expect(places).toEqual(Array.from({ length: 13 }, (_, i) => i + 5));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(260);
    // A missing prompt beside what else is there takes two lines more.
    expect(lines.length).toBeLessThanOrEqual(errors.length + 2);
  });
});
