// Peak memory and time with and without each memory saver, on a checkpoint's VAE and UNet: npx tsx bench/memory.ts CHECKPOINT
// Every line is a process of its own, so that one peak does not hide another.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type AttentionSlice, AutoencoderKL, Generator, randn, UNet2DConditionModel } from "darkroom";

const CASES = ["vae batch", "vae slicing", "vae whole", "vae tiling", "unet whole", "unet auto", "unet max"] as const;

async function measure(checkpoint: string, name: (typeof CASES)[number]): Promise<void> {
  const generator = new Generator(0);
  const [part, setting] = name.split(" ");
  const begun = performance.now();
  if (part === "vae") {
    const vae = await AutoencoderKL.fromPretrained(checkpoint, { subfolder: "vae" });
    vae.memory.slicing = setting === "slicing";
    vae.memory.tiling = setting === "tiling";
    const isBatch = setting === "batch" || setting === "slicing";
    const { latentChannels } = vae.config;
    // Four pictures of 256x256, or one of 1024x1024, for Stable Diffusion's factor of 8.
    await vae.decode(randn(isBatch ? [4, latentChannels, 32, 32] : [1, latentChannels, 128, 128], generator));
    await vae.dispose();
  } else {
    const unet = await UNet2DConditionModel.fromPretrained(checkpoint, { subfolder: "unet" });
    unet.setAttentionSlice(setting === "whole" ? undefined : (setting as AttentionSlice));
    const { crossAttentionDim, inChannels } = unet.config;
    const features = Array.isArray(crossAttentionDim) ? (crossAttentionDim[0] ?? 768) : crossAttentionDim;
    await unet.forward(randn([2, inChannels, 96, 96], generator), 500, { encoderHiddenStates: randn([2, 77, features], generator) });
    await unet.dispose();
  }
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(`${name.padEnd(12)} ${peak.toFixed(0).padStart(6)} MiB ${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`);
}

const [checkpoint, name] = process.argv.slice(2);
if (!checkpoint) {
  console.error("which checkpoint? npx tsx bench/memory.ts CHECKPOINT");
  process.exit(2);
}
if (name) await measure(checkpoint, name as (typeof CASES)[number]);
else
  for (const each of CASES)
    spawnSync(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), checkpoint, each], { stdio: "inherit" });
