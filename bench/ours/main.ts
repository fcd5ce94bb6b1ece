// The process in which Darkroom is measured. It is compiled, so that it loads the same code as a program that uses the package.
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  AutoencoderKL,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  DiffusionPipeline,
  type Engine,
  Generator,
  type PipelineOptions,
  randn,
  Tensor,
  UNet2DConditionModel,
  ZImageTransformer2DModel,
} from "darkroom";
import { type Job, PROMPT, type Report, type Task } from "../job.js";
import type { Mode } from "./mode.js";

const MEASURES: Readonly<Record<Exclude<Task, "prepare">, (job: Job) => Promise<void>>> = {
  unet: (job) =>
    withEngine(job, async (options, engine) => {
      const { checkpoint, latents, tokens, batch, repeats } = job;
      await using unet = await UNet2DConditionModel.fromPretrained(checkpoint, { ...options, engine, subfolder: "unet" });
      unet.setAttentionSlice((job.options as Mode).attentionSlice);
      const { inChannels, crossAttentionDim, additionEmbedType, projectionClassEmbeddingsInputDim, additionTimeEmbedDim } = unet.config;
      const rows = 2 * batch;
      const encoderHiddenStates = noise([rows, tokens, crossAttentionDim as number]);
      const pooled = (projectionClassEmbeddingsInputDim ?? 0) - 6 * (additionTimeEmbedDim ?? 0);
      const addedCond = additionEmbedType ? { textEmbeds: noise([rows, pooled]), timeIds: noise([rows, 6]) } : undefined;
      // As in pipelines: both halves of guidance use the same latents.
      const sample = noise([batch, inChannels, latents, latents]);
      await time(repeats, () => unet.forward(sample, 500, { encoderHiddenStates, addedCond }));
    }),

  transformer: (job) =>
    withEngine(job, async (options, engine) => {
      const { checkpoint, latents, tokens, batch, repeats } = job;
      await using network = await ZImageTransformer2DModel.fromPretrained(checkpoint, { ...options, engine, subfolder: "transformer" });
      const { inChannels, capFeatDim } = network.config;
      const x = noise([batch, inChannels, latents, latents]);
      const capFeats = Array.from({ length: batch }, () => noise([tokens, capFeatDim]));
      await time(repeats, () => network.forward(x, 0.5, { capFeats }));
    }),

  "vae-decode": (job) =>
    withVae(job, async (vae) => {
      const latents = noise([job.batch, vae.config.latentChannels, job.latents, job.latents]);
      await time(job.repeats, () => vae.decode(latents));
    }),

  "vae-encode": (job) =>
    withVae(job, async (vae) => {
      const picture = noise([job.batch, 3, job.size, job.size]).clamp(-1, 1);
      await time(job.repeats, () => vae.encode(picture));
    }),

  text: (job) =>
    withEngine(job, async (options, engine) => {
      const { checkpoint, tokens, batch, repeats } = job;
      await using first = await CLIPTextModel.fromPretrained(checkpoint, { ...options, engine, subfolder: "text_encoder" });
      await using second = existsSync(join(checkpoint, "text_encoder_2"))
        ? await CLIPTextModelWithProjection.fromPretrained(checkpoint, { ...options, engine, subfolder: "text_encoder_2" })
        : undefined;
      const rows = 2 * batch;
      const ids = Array.from({ length: rows * tokens }, (_, i) =>
        i % tokens === 0 ? 49406 : i % tokens === tokens - 1 ? 49407 : 1000 + i,
      );
      const inputIds = new Tensor("int64", [rows, tokens], BigInt64Array.from(ids, BigInt));
      await time(repeats, async () => {
        await first.forward(inputIds);
        await second?.forward(inputIds);
      });
    }),

  async start({ checkpoint, size, options }) {
    const { request, ...opening } = options as Mode;
    const pipe = await DiffusionPipeline.fromPretrained(checkpoint, opening);
    mark("opened");
    // The types of DiffusionPipeline's results have UNets only.
    const { transformer, unet: network = transformer as Network } = pipe as unknown as { transformer?: Network; unet?: Network };
    const forward = network.forward.bind(network);
    network.forward = async (...inputs) => {
      mark("ready");
      await forward(...inputs);
      mark("first-step");
      // The rest of the picture is not measured.
      process.exit();
    };
    const asked = { prompt: PROMPT, height: size, width: size, numInferenceSteps: 20, seed: 0, ...unguided(pipe), ...request };
    await pipe.generate(asked as { readonly prompt: string });
  },

  async picture({ checkpoint, size, batch, steps, out, options }) {
    const { request, ...opening } = options as Mode;
    const pipe = await DiffusionPipeline.fromPretrained(checkpoint, opening);
    const sides = { height: size, width: size };
    const asked = { prompt: PROMPT, ...sides, numInferenceSteps: steps, numImagesPerPrompt: batch, seed: 0, ...unguided(pipe), ...request };
    const { images } = await pipe.generate(asked as { readonly prompt: string });
    await images[0]?.save(out);
    mark("saved");
  },
};

interface Network {
  forward(...inputs: never[]): Promise<unknown>;
}

/** Z-Image Turbo is not guided. */
function unguided(pipe: object): { readonly guidanceScale?: number } {
  return "transformer" in pipe ? { guidanceScale: 0 } : {};
}

/** Does `work` with the options that networks are opened with, and with an engine that profiles if the job says so. */
async function withEngine({ options, profile }: Job, work: (options: PipelineOptions, engine?: Engine) => Promise<void>): Promise<void> {
  const { vaeSlicing, vaeTiling, attentionSlice, request, ...opening } = options as Mode;
  if (profile === undefined) return work(opening);
  const { createEngine } = await import("#platform");
  const engine = await createEngine({ ...opening, profile });
  try {
    await work(opening, engine);
  } finally {
    await engine.dispose();
  }
}

/** Opens a VAE for `work`, with the job's ways to save memory. */
function withVae(job: Job, work: (vae: AutoencoderKL) => Promise<void>): Promise<void> {
  return withEngine(job, async (options, engine) => {
    await using vae = await AutoencoderKL.fromPretrained(job.checkpoint, { ...options, engine, subfolder: "vae" });
    const { vaeSlicing = false, vaeTiling = false } = job.options as Mode;
    vae.memory.slicing = vaeSlicing;
    vae.memory.tiling = vaeTiling;
    await work(vae);
  });
}

/** Calls `work` once to load what it needs, then `repeats` times with a clock. */
async function time(repeats: number, work: () => Promise<unknown>): Promise<void> {
  await work();
  for (let i = 0; i < repeats; i++) {
    const [begun, used] = [performance.now(), processorSeconds()];
    await work();
    report({ event: "call", seconds: (performance.now() - begun) / 1000, processor: processorSeconds() - used });
  }
}

function noise(shape: readonly number[]): Tensor {
  return randn(shape, new Generator(0));
}

function mark(name: string): void {
  report({ event: "mark", name, processor: processorSeconds() });
}

/** Seconds of processor time so far, of all threads. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function report(line: Report): void {
  console.log(JSON.stringify(line));
}

mark("imports");
const job: Job = JSON.parse(process.argv.at(-1) ?? "");
try {
  if (job.task !== "prepare") await MEASURES[job.task](job);
} catch (error) {
  report({ event: "failed", reason: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
