import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import { DiffusionPipeline, type LoraWeight, type StableDiffusionPipeline } from "../../src/index.js";
import { resolveScheduler } from "../../src/schedulers/registry.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";

/** What Python diffusers was asked for; see fixtures/make/lora.py. */
interface LoraCase {
  readonly checkpoint: string;
  readonly call: Readonly<Record<string, string | number>>;
  readonly seed: number;
  readonly loras: readonly [file: string, name: string | null][];
  readonly list_adapters: Readonly<Record<string, readonly string[]>>;
  readonly set_adapters?: readonly [names: string | readonly string[], weights: unknown];
  readonly fuse_lora?: { readonly lora_scale: number; readonly adapter_names?: readonly string[] };
  readonly unload?: boolean;
  readonly scheduler?: string;
  readonly scheduler_overrides?: Readonly<Record<string, string>>;
  readonly disable?: boolean;
}

type Pipeline = Omit<StableDiffusionPipeline, "generate"> & {
  generate(request: object): Promise<{ readonly images: Tensor }>;
};

const opened = new Map<string, Promise<Pipeline>>();
afterAll(async () => {
  for (const pipe of opened.values()) await (await pipe).dispose();
});

/** The checkpoint's pipeline without adapters, as it was opened. */
async function pipelineOf({ checkpoint: name }: LoraCase): Promise<Pipeline> {
  const loading =
    opened.get(name) ?? (DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu" }) as unknown as Promise<Pipeline>);
  opened.set(name, loading);
  const pipe = await loading;
  pipe.unfuseLora();
  pipe.unloadLoraWeights();
  pipe.enableLora();
  return pipe;
}

/** Weights as Python is given them, in our words. */
function inCamelCase(weights: unknown): LoraWeight {
  if (typeof weights !== "object" || weights === null) return weights as LoraWeight;
  const { unet, ...encoders } = weights as Record<string, never>;
  return { ...(unet !== undefined && { unet }), ...camelCaseKeys(encoders) };
}

/** [batch, channels, height, width] to [batch, height, width, channels]. */
function channelsLast(tensor: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = tensor.shape;
  const area = height * width;
  const values = Float32Array.from({ length: tensor.size }, (_, i) => {
    const [picture, pixel, channel] = [Math.floor(i / (area * channels)), Math.floor(i / channels) % area, i % channels];
    return tensor.data[(picture * channels + channel) * area + pixel] as number;
  });
  return Tensor.from(values, [batch, height, width, channels]);
}

async function pictureOf(name: string): Promise<{ found: Tensor; listed: unknown; meta: LoraCase; expected: Tensor }> {
  const { meta, tensor } = readFixture<LoraCase>("lora", name);
  const pipe = await pipelineOf(meta);
  for (const [file, adapterName] of meta.loras) {
    const path = fileURLToPath(new URL(`../fixtures/lora/adapters/${file}.safetensors`, import.meta.url));
    await pipe.loadLoraWeights(path, { adapterName: adapterName ?? undefined });
  }
  const listed = pipe.getListAdapters();
  if (meta.set_adapters) {
    const [names, weights] = meta.set_adapters;
    pipe.setAdapters(names, Array.isArray(weights) ? weights.map(inCamelCase) : inCamelCase(weights));
  }
  if (meta.fuse_lora) pipe.fuseLora({ loraScale: meta.fuse_lora.lora_scale, adapterNames: meta.fuse_lora.adapter_names });
  if (meta.unload) pipe.unloadLoraWeights();
  if (meta.disable) pipe.disableLora();
  const { scheduler } = pipe;
  if (meta.scheduler)
    pipe.scheduler = resolveScheduler(meta.scheduler).class.fromConfig(scheduler.config, camelCaseKeys(meta.scheduler_overrides ?? {}));
  const { images } = await pipe.generate({ ...camelCaseKeys(meta.call), seed: meta.seed, outputType: "tensor" });
  pipe.scheduler = scheduler;
  return { found: images, listed, meta, expected: tensor("images") as Tensor };
}

describe("pictures with LoRAs are those of Python diffusers", () => {
  it.each([
    ["peft", "in PEFT's names for the UNet and diffusers' for the text encoder"],
    ["metadata", "scaled by diffusers' metadata: alphas of single layers, divided by the rank's root"],
    ["kohya", "in kohya-ss's names, with alphas and float16 matrices of several ranks"],
    ["locon", "on convolutions, with bfloat16 matrices"],
    ["weight", "at less than full weight"],
    ["last_loaded", "where a second one was loaded, which alone is active in the networks it changes"],
    ["several", "three at once, one with a negative weight"],
    ["parts", "with a weight for every network"],
    ["blocks", "with weights for the UNet's blocks"],
    ["fused", "fused into the weights and unloaded"],
    ["fused_one_of_two", "two active, one of them fused: the other is silent in the layers of the fused one"],
    ["fused_inactive", "one active, the other one fused"],
    ["fused_both_one_active", "both fused, one active: the scale counts for the active one"],
    ["disabled", "loaded and disabled"],
    ["sd2", "two in Stable Diffusion 2: processors' names, and kohya-ss's without alphas"],
    ["xl_peft", "in Stable Diffusion XL and both text encoders"],
    ["xl_sgm", "in Stability's names, on every kind of layer, for XL"],
    ["xl_fused", "two fused into XL's networks"],
    ["lcm", "with LCMScheduler and no guidance, as LCM-LoRA is used"],
    ["trailing", "with trailing Euler, as Lightning and Turbo are"],
    ["tcd", "with TCDScheduler, as Hyper is"],
  ])("%s: %s", async (name) => {
    collectWarnings();
    const { found, expected, listed, meta } = await pictureOf(name);
    expect(listed).toEqual(camelCaseKeys(meta.list_adapters));
    expect(largestDifference(channelsLast(found), expected)).toBeLessThanOrEqual(1 / 255);
  });
});
