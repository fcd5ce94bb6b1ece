// npx tsx test/parity/saved.ts FOLDER && python test/parity/saved.py FOLDER
// Saves pipelines, schedulers and LoRAs into FOLDER with the pictures they make. Python diffusers opens them and makes the pictures again.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { snakeCaseKeys } from "../../src/checkpoint/write-json.js";
import * as darkroom from "../../src/index.js";
import { SCHEDULERS } from "../../src/schedulers/registry.js";
import { checkpoint } from "../helpers/fixtures.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { originalTensors } from "../helpers/single-files.js";

const { Tensor } = darkroom;

interface SavedCase {
  readonly pipe: () => Promise<darkroom.DiffusionPipeline>;
  readonly save?: darkroom.SavePretrainedOptions;
  /** Options of the call beside those of {@link CALL}. Pictures are gray levels. */
  readonly call?: Readonly<Record<string, unknown>>;
  readonly images?: Readonly<Record<string, number>>;
}

const CALL = { prompt: "a photo of a red fox", numInferenceSteps: 3 };
const sd1 = () => darkroom.StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
const xl = () => darkroom.StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"));
const lora = (name: string) => checkpoint(`../fixtures/lora/adapters/${name}.safetensors`);

const CASES: Readonly<Record<string, SavedCase>> = {
  sd1: { pipe: sd1 },
  "sd1-shards": { pipe: sd1, save: { maxShardSize: "60KB" } },
  "sd1-half-shards": { pipe: sd1, save: { maxShardSize: "30KB", variant: "fp16", dtype: "float16" } },
  "sd1-fused": {
    pipe: async () => {
      const pipe = await sd1();
      await pipe.loadLoraWeights(lora("sd1_kohya"));
      pipe.fuseLora({ loraScale: 0.7 });
      return pipe;
    },
  },
  "sd1-euler": { pipe: () => darkroom.StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { scheduler: "dpm++-2m-karras" }) },
  "sd1-img2img": {
    pipe: async () => darkroom.StableDiffusionImg2ImgPipeline.fromPipe(await sd1()),
    call: { strength: 0.8 },
    images: { image: 0.3 },
  },
  "sd1-inpaint": {
    pipe: () => darkroom.AutoPipelineForInpainting.fromPretrained(checkpoint("sd1-inpaint-mini")),
    call: { width: 32, height: 32 },
    images: { image: 0.3, mask_image: 1 },
  },
  "sd1-single": { pipe: () => darkroom.DiffusionPipeline.fromSingleFile(singleFile("sd1-mini"), { config: checkpoint("sd1-mini") }) },
  "sd1-taesd": {
    pipe: async () =>
      darkroom.StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), {
        vae: await darkroom.AutoencoderTiny.fromPretrained(checkpoint("taesd-mini")),
      }),
  },
  sd2: { pipe: () => darkroom.StableDiffusionPipeline.fromPretrained(checkpoint("sd2-mini")) },
  controlnet: {
    pipe: async () => {
      const controlnet = await darkroom.ControlNetModel.fromPretrained(checkpoint("controlnet-mini"));
      return darkroom.StableDiffusionControlNetPipeline.fromPipe(await sd1(), { controlnet });
    },
    images: { image: 0.6 },
  },
  controlnets: {
    pipe: async () => {
      const net = await darkroom.ControlNetModel.fromPretrained(checkpoint("controlnet-mini"));
      return darkroom.AutoPipelineForText2Image.fromPipe(await sd1(), { controlnet: [net, net] });
    },
    call: { image: ["image", "other"], controlnetConditioningScale: [0.5, 0.3] },
    images: { image: 0.6, other: 0.1 },
  },
  adapter: {
    pipe: async () => {
      const adapter = await darkroom.T2IAdapter.fromPretrained(checkpoint("adapter-mini"));
      return darkroom.StableDiffusionAdapterPipeline.fromPipe(await sd1(), { adapter });
    },
    images: { image: 0.6 },
  },
  xl: { pipe: xl },
  "xl-half": { pipe: xl, save: { variant: "fp16", dtype: "float16" } },
  "xl-refiner": {
    pipe: () => darkroom.StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini")),
    call: { strength: 0.8 },
    images: { image: 0.3 },
  },
  "xl-single": {
    pipe: () => darkroom.DiffusionPipeline.fromSingleFile(singleFile("sdxl-base-mini"), { config: checkpoint("sdxl-base-mini") }),
  },
  "xl-union": {
    pipe: async () => {
      const controlnet = await darkroom.ControlNetUnionModel.fromPretrained(checkpoint("controlnet-union-mini"));
      return darkroom.AutoPipelineForText2Image.fromPipe(await xl(), { controlnet });
    },
    call: { control_mode: 1 },
    images: { control_image: 0.6 },
  },
  ddpm: { pipe: () => darkroom.DDPMPipeline.fromPretrained(checkpoint("ddpm-mini")), call: { prompt: undefined } },
  consistency: {
    pipe: () => darkroom.ConsistencyModelPipeline.fromPretrained(checkpoint("consistency-mini")),
    call: { prompt: undefined, numInferenceSteps: 2, classLabels: 1 },
  },
  "score-sde": { pipe: () => darkroom.ScoreSdeVePipeline.fromPretrained(checkpoint("score-sde-mini")), call: { prompt: undefined } },
};

const LORAS = { sd1_peft: sd1, sd1_kohya: sd1, sd1_locon: sd1, sd1_metadata: sd1, xl_peft: xl, xl_sgm: xl };

const [root = "out/saved"] = process.argv.slice(2);
/** A single file of a tiny checkpoint in the original layout. */
function singleFile(name: string): string {
  const path = join(root, `${name}.safetensors`);
  mkdirSync(root, { recursive: true });
  writeSafetensors(path, originalTensors(name));
  return path;
}

const gray = (name: string, level: number) => Tensor.full([1, name.includes("mask") ? 1 : 3, 32, 32], level);
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Makes pictures and writes them beside what Python needs to make them. */
async function made(folder: string, pipe: darkroom.DiffusionPipeline, { save = {}, call = {}, images = {} }: Omit<SavedCase, "pipe"> = {}) {
  const options: Record<string, unknown> = { ...CALL, ...call };
  const pictures = Object.fromEntries(Object.entries(images).map(([name, level]) => [name, gray(name, level)]));
  const listed = Array.isArray(options.image) ? options.image : [];
  const own = Object.entries(pictures).filter(([name]) => !listed.includes(name) || listed.length === 0);
  const request = {
    ...Object.fromEntries(Object.entries({ ...options, ...Object.fromEntries(own) }).map(([name, value]) => [camel(name), value])),
    ...(listed.length > 0 && { image: listed.map((name) => pictures[name]) }),
    ...{ seed: 7, outputType: "np" },
  };
  const { images: pixels } = await (pipe as darkroom.StableDiffusionPipeline).generate(
    request as never as { prompt: string; outputType: "np" },
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}.bin`, new Uint8Array(pixels.data.buffer, pixels.data.byteOffset, pixels.data.byteLength));
  const python = { call: snakeCaseKeys(JSON.parse(JSON.stringify(options))), images, listed, variant: save.variant, shape: pixels.shape };
  writeFileSync(`${folder}.json`, JSON.stringify({ class: pipe.className, ...python }));
}

for (const [name, { pipe: open, ...rest }] of Object.entries(CASES)) {
  await using pipe = await open();
  const folder = join(root, "pipelines", name);
  await pipe.savePretrained(folder, rest.save);
  await made(folder, pipe, rest);
}
for (const [name, open] of Object.entries(LORAS)) {
  await using pipe = await open();
  await pipe.loadLoraWeights(lora(name));
  const folder = join(root, "loras", name);
  await pipe.saveLoraWeights(folder);
  await made(folder, pipe);
}
for (const [name, entry] of Object.entries(SCHEDULERS)) {
  const scheduler = new (entry.class as unknown as new () => darkroom.Scheduler)();
  await scheduler.savePretrained(join(root, "schedulers", name));
}
console.log(`saved into ${root}; now: python test/parity/saved.py ${root}`);
