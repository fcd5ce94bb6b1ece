import { join } from "node:path";
import { openFolder } from "#platform";
import { camelCaseKeys, readConfig } from "../../src/checkpoint/config.js";
import type { Json, JsonObject } from "../../src/checkpoint/json.js";
import { readModelIndex } from "../../src/checkpoint/model-index.js";
import type { RawImage } from "../../src/image/load-image.js";
import type { Picture } from "../../src/image/picture.js";
import * as darkroom from "../../src/index.js";
import { camelCase } from "../../src/letter-case.js";
import type { FreeUFactors } from "../../src/models/freeu.js";
import type { IPAdapterScale } from "../../src/models/ip-adapter-scales.js";
import type { SteeringOptions } from "../../src/pipelines/shared/steering.js";
import type { Device } from "../../src/runtime/device.js";
import { SCHEDULERS } from "../../src/schedulers/registry.js";
import type { Scheduler, SchedulerClass } from "../../src/schedulers/shared/scheduler.js";
import type { DType } from "../../src/tensor/dtype.js";
import { parseSeed } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, NotSupported, withinAbsolute, withinRelative } from "./comparison.js";
import { classOf } from "./models.js";
import type { Shelf } from "./shelf.js";

/** For a pixel in 0..1: one step of an 8-bit picture. */
const PIXEL_TOLERANCE = 1 / 255;
/** Relative to the latents' largest absolute value. */
const LATENT_TOLERANCE = 1e-3;

/** The fields of a case's `call` that Darkroom's pipelines have with the same name in camelCase. Any other field is an error. */
const ARGUMENTS = new Set([
  ...["prompt", "prompt_2", "negative_prompt", "negative_prompt_2", "num_images_per_prompt", "batch_size", "height", "width"],
  ...["num_inference_steps", "timesteps", "sigmas", "guidance_scale", "guidance_rescale", "eta", "use_clipped_model_output", "clip_skip"],
  ...["latents", "prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"],
  ...["image", "mask_image", "masked_image_latents", "strength", "padding_mask_crop", "denoising_start", "denoising_end"],
  ...["original_size", "target_size", "crops_coords_top_left", "aesthetic_score", "negative_aesthetic_score"],
  ...["class_labels", "original_inference_steps"],
  ...["negative_original_size", "negative_target_size", "negative_crops_coords_top_left"],
  ...["control_image", "controlnet_conditioning_scale", "guess_mode", "control_guidance_start", "control_guidance_end"],
  ...["image_guidance_scale", "depth_map", "noise_level"],
  ...["pag_scale", "pag_adaptive_scale", "pag_applied_layers"],
  ...["adapter_conditioning_scale", "adapter_conditioning_factor", "control_mode"],
  ...["ip_adapter_image", "ip_adapter_image_embeds", "ip_adapter_masks"],
  ...["true_cfg_scale", "max_sequence_length", "prompt_embeds_mask", "negative_prompt_embeds_mask"],
  ...["num_frames", "decode_chunk_size", "video"],
  ...["max_sequence_length", "cfg_truncation", "cfg_normalization", "text_encoder_out_layers"],
  ...["prompt_3", "negative_prompt_3", "max_sequence_length", "true_cfg_scale", "mu", "max_area", "_auto_resize"],
  ...["skip_guidance_layers", "skip_layer_guidance_scale", "skip_layer_guidance_start", "skip_layer_guidance_stop"],
]);

/** Parts of a checkpoint that a case replaces by those in another folder. */
const PARTS = ["unet", "transformer", "vae", "controlnet", "adapter", "motion_adapter"] as const;

interface PipelineMeta {
  readonly checkpoint: string;
  readonly pipeline: string;
  readonly call: JsonObject;
  readonly variant?: string | null;
  readonly seed?: number | string | null;
  readonly seeds?: readonly (number | string)[] | null;
  readonly scheduler?: string | null;
  readonly scheduler_overrides?: JsonObject | null;
  readonly unet?: string | null;
  /** A file of the group "quantised", with the config of the checkpoint's transformer. */
  readonly transformer?: string | null;
  readonly vae?: string | null;
  readonly controlnet?: string | readonly string[] | null;
  readonly adapter?: string | readonly string[] | null;
  /** The subfolder and file of each IP-Adapter in `ip-adapter-mini`. */
  readonly ip_adapters?: readonly (readonly [string, string])[];
  readonly ip_adapter_scale?: IPAdapterScale | readonly IPAdapterScale[];
  readonly motion_adapter?: string | null;
  /** The folder of a LoRA, and its weight. */
  readonly lora?: string;
  readonly lora_weight?: number;
  readonly refiner?: string | null;
  readonly refiner_pipeline?: string | null;
  readonly refiner_call?: JsonObject | null;
  readonly refiner_seed?: number | string | null;
  /** The settings of the package DeepCache, for both pipelines. */
  readonly deep_cache?: { readonly cache_interval: number; readonly cache_branch_id: number };
  /** The settings of diffusers' FirstBlockCacheConfig. */
  readonly first_block?: { readonly threshold: number };
  /** The factors of FreeU: s1, s2, b1, b2. */
  readonly freeu?: readonly [number, number, number, number];
  /** What a callback did after steps. */
  readonly on_step_end?: readonly CallbackMeta[];
}

/** What a callback did after a step: it multiplied tensors, set the guidance scale, ended the run. */
interface CallbackMeta {
  readonly step: number;
  readonly multiply?: Readonly<Record<string, number>>;
  readonly guidance_scale?: number;
  readonly interrupt?: boolean;
}

interface Disposable extends AsyncDisposable {}

/** The common methods of all pipelines. */
export interface OpenedPipeline extends Disposable {
  scheduler: Scheduler;
  generate(request: object): Promise<{ readonly images: Tensor | readonly Picture[] }>;
  loadIPAdapter?(source: string, options: object): Promise<void>;
  loadLoraWeights?(source: string, options: object): Promise<void>;
  setAdapters?(names: readonly string[], weights?: number): void;
  setIPAdapterScale?(scale: IPAdapterScale | readonly IPAdapterScale[]): void;
}

interface Loadable<Loaded> {
  fromPretrained(path: string, options: object): Promise<Loaded>;
  fromSingleFile(path: string, options: object): Promise<Loaded>;
}

/** The folder of the cases' checkpoints, and the open pipelines. */
export interface PipelineContext {
  readonly checkpoints: string;
  readonly device: Device;
  readonly pipelines: Shelf<OpenedPipeline>;
  /** What is done with a pipeline before each call. */
  readonly prepare?: (pipe: OpenedPipeline) => Promise<void>;
}

/** A call of a pipeline with a seed; with a refiner, of two pipelines one after the other. */
export async function comparePipeline({ meta, tensors }: ParityCase, context: PipelineContext): Promise<Comparison[]> {
  const {
    call,
    seed,
    seeds,
    refiner,
    refiner_pipeline,
    refiner_call,
    refiner_seed,
    deep_cache,
    first_block,
    on_step_end,
    freeu,
    ...model
  } = meta as unknown as PipelineMeta;
  const { images, latents, ...inputs } = tensors();
  if (!images) throw new Error("the case has no images");
  const given = refiner || !latents ? inputs : { ...inputs, latents };
  const cache = deep_cache
    ? { interval: deep_cache.cache_interval, branch: deep_cache.cache_branch_id }
    : first_block && { threshold: first_block.threshold };
  const request = {
    ...toRequest(call),
    ...imagesOf(given),
    ...seedOf(seeds ?? seed),
    cache,
    ...steeringOf(on_step_end),
    ...freeUOf(freeu),
  };
  if (!refiner) {
    if (call.output_type !== "latent") return [await comparePixels(model, request, context, images)];
    return [compareLatents("images", await generate(model, { ...request, outputType: "latent" }, context), images)];
  }
  const between = await generate(model, { ...request, outputType: "latent" }, context);
  const refinerModel = { checkpoint: refiner, pipeline: refiner_pipeline ?? "StableDiffusionXLImg2ImgPipeline" };
  const refine = { ...toRequest(refiner_call ?? {}), image: between, ...seedOf(refiner_seed ?? 0), cache };
  const refined = await comparePixels(refinerModel, refine, context, images);
  return [...(latents ? [compareLatents("latents", between, latents)] : []), refined];
}

function freeUOf(freeu: PipelineMeta["freeu"]): { readonly freeU?: FreeUFactors } {
  if (!freeu) return {};
  const [s1, s2, b1, b2] = freeu;
  return { freeU: { s1, s2, b1, b2 } };
}

/** diffusers' names of tensors that have other names in requests. */
const STEERED: Readonly<Record<string, string>> = { add_text_embeds: "pooled_prompt_embeds" };

/** A callback that does what Python's did. */
function steeringOf(callbacks: readonly CallbackMeta[] | undefined): SteeringOptions {
  if (!callbacks) return {};
  return {
    onStepEnd: (step) => {
      const { multiply = {}, guidance_scale, interrupt } = callbacks.find(({ step: at }) => at === step.index) ?? {};
      if (interrupt) step.interrupt();
      // Under guidance, Python's tensors have both halves.
      const names = Object.entries(multiply).flatMap(([name, factor]) => {
        const ours = camelCase(STEERED[name] ?? name);
        return [[ours, factor] as const, [`negative${ours.charAt(0).toUpperCase()}${ours.slice(1)}`, factor] as const];
      });
      const tensors = step as unknown as Readonly<Record<string, Tensor | undefined>>;
      const changed = names.flatMap(([name, factor]) => (tensors[name] ? [[name, tensors[name].mul(factor)]] : []));
      return { ...Object.fromEntries(changed), guidanceScale: guidance_scale };
    },
  };
}

type Model = Pick<
  PipelineMeta,
  | "checkpoint"
  | "pipeline"
  | "variant"
  | "scheduler"
  | "scheduler_overrides"
  | "ip_adapters"
  | "ip_adapter_scale"
  | "lora"
  | "lora_weight"
  | (typeof PARTS)[number]
>;

async function comparePixels(model: Model, request: object, context: PipelineContext, expected: Tensor<DType>): Promise<Comparison> {
  // The crop is laid over finished pictures.
  const outputType = "paddingMaskCrop" in request ? "image" : "tensor";
  const pixels = expected.dtype === "uint8" ? expected.to("float32").div(255) : expected;
  return withinAbsolute("images", await generate(model, { ...request, outputType }, context), pixels, PIXEL_TOLERANCE);
}

function compareLatents(what: string, latents: Tensor, expected: Tensor<DType>): Comparison {
  return withinRelative(what, latents, expected, LATENT_TOLERANCE);
}

/** Pictures [batch, height, width, channels] in 0..1, or what the request's output type says. */
async function generate(model: Model, request: { readonly outputType?: string }, context: PipelineContext): Promise<Tensor> {
  const pipe = await openPipeline(model, context);
  const own = pipe.scheduler;
  await context.prepare?.(pipe);
  try {
    if (model.scheduler) {
      const overrides = camelCaseKeys(model.scheduler_overrides ?? {});
      pipe.scheduler = schedulerClass(model.scheduler).fromConfig(own.config, overrides);
    }
    const { images } = await pipe.generate(request);
    if (!(images instanceof Tensor)) return concat(images.map(pixelsOf));
    return request.outputType === "latent" ? images : channelsLast(images);
  } finally {
    pipe.scheduler = own;
  }
}

async function openPipeline(model: Model, { checkpoints, device, pipelines }: PipelineContext): Promise<OpenedPipeline> {
  const { checkpoint, pipeline, variant } = model;
  const path = join(checkpoints, checkpoint);
  const pipelineClass = publicClass<OpenedPipeline>(pipeline);
  await expectParts(path, model);
  const key = JSON.stringify([
    pipeline,
    checkpoint,
    variant,
    model.ip_adapters,
    model.ip_adapter_scale,
    model.lora,
    model.lora_weight,
    ...PARTS.map((part) => model[part]),
  ]);
  return pipelines.get(key, async () => {
    const parts: Record<string, Disposable | Disposable[]> = {};
    for (const part of PARTS) {
      const folders = model[part];
      const name = camelCase(part);
      if (typeof folders === "string") parts[name] = await openPart(join(checkpoints, folders), device, join(path, part));
      else if (folders) parts[name] = await Promise.all(folders.map((folder) => openPart(join(checkpoints, folder), device)));
    }
    const pipe = await pipelineClass.fromPretrained(path, { device, variant: variant ?? undefined, ...parts });
    if (model.ip_adapters) {
      const [subfolder, weightName] = [0, 1].map((i) => model.ip_adapters?.map((each) => each[i]));
      await pipe.loadIPAdapter?.(join(checkpoints, "ip-adapter-mini"), { subfolder, weightName });
      if (model.ip_adapter_scale !== undefined) pipe.setIPAdapterScale?.(model.ip_adapter_scale);
    }
    if (model.lora) {
      await pipe.loadLoraWeights?.(join(checkpoints, model.lora), { adapterName: "lora" });
      pipe.setAdapters?.(["lora"], model.lora_weight);
    }
    return closingWith(pipe, Object.values(parts).flat());
  });
}

/** A pipeline that also closes its given parts. */
function closingWith(pipe: OpenedPipeline, parts: readonly Disposable[]): OpenedPipeline {
  const dispose = async () => {
    await pipe[Symbol.asyncDispose]();
    for (const part of parts) await part[Symbol.asyncDispose]();
  };
  return new Proxy(pipe, {
    get: (target, key) => {
      if (key === Symbol.asyncDispose) return dispose;
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value),
  });
}

/** A part in a folder, or in a single file that has the config in the folder `config`. */
async function openPart(path: string, device: Device, config = path): Promise<Disposable> {
  if (/\.(gguf|safetensors)$/.test(path)) {
    const part = publicClass<Disposable>(classOf(await readConfig(openFolder(config), "config.json")));
    return part.fromSingleFile(path, { device, config });
  }
  const part = publicClass<Disposable>(classOf(await readConfig(openFolder(path), "config.json")));
  return part.fromPretrained(path, { device });
}

/** @throws NotSupported if a part of the checkpoint is of a class that Darkroom does not have. */
async function expectParts(path: string, model: Model): Promise<void> {
  const { components } = await readModelIndex(openFolder(path));
  for (const [name, component] of components) {
    if (component?.library !== "diffusers" || (name in model && model[name as keyof Model])) continue;
    if (name === "scheduler") schedulerClass(component.className);
    else publicClass(component.className);
  }
  if (model.scheduler) schedulerClass(model.scheduler);
}

/** A class by its name in diffusers, if programs can import it. @throws NotSupported */
function publicClass<Loaded>(name: string): Loadable<Loaded> {
  const found = (darkroom as Readonly<Record<string, unknown>>)[name];
  if (typeof found !== "function") throw new NotSupported(name);
  return found as unknown as Loadable<Loaded>;
}

function schedulerClass(name: string): SchedulerClass {
  const entry = Object.hasOwn(SCHEDULERS, name) ? SCHEDULERS[name] : undefined;
  if (!entry) throw new NotSupported(name);
  return entry.class;
}

/** Python's arguments as a request. Python's None is our undefined. @throws Error for an argument that Darkroom does not take. */
function toRequest(call: JsonObject): Record<string, Json> {
  const entries = Object.entries(call).filter(([name, value]) => value !== null && name !== "output_type");
  return Object.fromEntries(entries.map(([name, value]) => [requestKey(name), value]));
}

function requestKey(name: string): string {
  if (!ARGUMENTS.has(name)) throw new Error(`the call has ${name}, which no pipeline of Darkroom takes`);
  return camelCase(name);
}

function seedOf(seed: number | string | readonly (number | string)[] | null | undefined): object {
  if (seed === null || seed === undefined) return {};
  return { seed: Array.isArray(seed) ? seed.map(parseSeed) : parseSeed(seed as number | string) };
}

/** A case's input tensors as a request has them: 8-bit ones as images, the others as they are. */
function imagesOf(tensors: Readonly<Record<string, Tensor<DType>>>): Record<string, unknown> {
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    const [word = "", ...index] = name.split(".");
    const key = [requestKey(word === "mask" ? "mask_image" : word), ...index].join(".");
    return [key, tensor.dtype === "uint8" ? toImages(tensor as Tensor<"uint8">) : tensor];
  });
  return listed(Object.fromEntries(entries));
}

/** `name.0`, `name.1`, ... as a list with this name. */
function listed(request: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const lists: Record<string, unknown[]> = {};
  const sorted = Object.entries(request).sort(([a], [b]) => (a < b ? -1 : 1));
  const others = sorted.filter(([key, value]) => {
    const [name = "", index] = key.split(".");
    if (index === undefined) return true;
    lists[name] = [...(lists[name] ?? []), value];
    return false;
  });
  return { ...Object.fromEntries(others), ...lists };
}

type Images = RawImage | readonly Images[];

/**
 * [height, width] or [height, width, channels] as one image, [n, height, width, channels] as a list, [m, n, height, width, channels] as a
 * list of lists.
 */
function toImages({ shape, data }: Tensor<"uint8">): Images {
  if (shape.length >= 4) {
    const images = new Tensor("uint8", shape, data).chunk(shape[0] ?? 1);
    return images.map((image) => toImages(image.reshape(shape.slice(1))));
  }
  const [height = 0, width = 0, channels = 1] = shape;
  return { width, height, channels: channels as RawImage["channels"], data };
}

function pixelsOf({ width, height, data }: Picture): Tensor {
  return Tensor.from(Float32Array.from(data), [1, height, width, data.length / (width * height)]).div(255);
}

/** [batch, channels, height, width] to [batch, height, width, channels]. */
function channelsLast({ shape, data }: Tensor): Tensor {
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const plane = height * width;
  const values = data.map((_, i) => {
    const [channel, pixel] = [i % channels, Math.floor(i / channels)];
    return data[(Math.floor(pixel / plane) * channels + channel) * plane + (pixel % plane)] as number;
  });
  return Tensor.from(values, [batch, height, width, channels]);
}
