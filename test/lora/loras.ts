import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { openFolder } from "#platform";
import { openWeights } from "../../src/checkpoint/weights.js";
import type { LoraPart } from "../../src/lora/lora-names.js";
import type { LoraTarget } from "../../src/lora/match-lora.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";

/** Path of a LoRA made for the tests, by fixtures/make/lora.py. */
export function loraFile(name: string): string {
  return fileURLToPath(new URL(`../fixtures/lora/adapters/${name}.safetensors`, import.meta.url));
}

/** sd1-mini, or another checkpoint of its kind, without adapters. */
export async function openMini(source = checkpoint("sd1-mini")): Promise<StableDiffusionPipeline> {
  const pipe = await StableDiffusionPipeline.fromPretrained(source, { device: "cpu" });
  onTestFinished(() => pipe.dispose());
  return pipe;
}

/** What the pipeline's UNet predicts for latents that are always the same. */
export async function prediction({ unet }: StableDiffusionPipeline): Promise<Tensor> {
  const generator = new Generator(0);
  const latents = randn([1, 4, 16, 16], generator);
  return (await unet.forward(latents, 500, { encoderHiddenStates: randn([1, 7, 32], generator) })).sample;
}

/** What its text encoder gives for tokens that are always the same. */
export async function textFeatures({ textEncoder, tokenizer }: StableDiffusionPipeline): Promise<Tensor> {
  return (await textEncoder.forward(tokenizer.tokenize(["a red fox"]).inputIds)).lastHiddenState;
}

/** The networks of a checkpoint that LoRAs may change, by their subfolders; only their weights are opened. */
export async function openTargets(source: string): Promise<ReadonlyMap<LoraPart, LoraTarget>> {
  const parts = (["unet", "text_encoder", "text_encoder_2"] as const).filter((part) => existsSync(join(source, part)));
  return new Map(
    await Promise.all(parts.map(async (part) => [part, { weights: await openWeights(openFolder(join(source, part)), {}) }] as const)),
  );
}
