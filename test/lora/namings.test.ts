import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { openWeights } from "../../src/checkpoint/weights.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { readLora } from "../../src/lora/lora-file.js";
import { matchLora } from "../../src/lora/match-lora.js";
import { placesOf } from "../../src/lora/places.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { FULL_SIZE, sparseFile } from "../helpers/full-size-files.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { openTargets } from "./loras.js";

/** Two layers of sd1-mini's UNet and one of its text encoder, with their widths. */
const LAYERS = {
  unet: [
    ["mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0", "middle_block.1.transformer_blocks.0.attn1.to_out.0", 32, 32],
    ["up_blocks.1.attentions.1.transformer_blocks.0.ff.net.0.proj", "output_blocks.3.1.transformer_blocks.0.ff.net.0.proj", 16, 128],
  ],
  text: [["encoder.layers.1.mlp.fc1", "encoder.layers.1.mlp.fc1", 32, 128]],
} as const;

const underscored = (name: string) => name.replaceAll(".", "_");

/** How a naming calls the layers of the two networks, and which it has: diffusers' own names or Stability's. */
const NAMINGS: Readonly<Record<string, { unet?: (ours: string, original: string) => string; text?: (name: string) => string }>> = {
  "kohya-ss": { unet: (ours) => `lora_unet_${underscored(ours)}`, text: (name) => `lora_te_text_model_${underscored(name)}` },
  "kohya-ss, of XL's kind": {
    unet: (_, original) => `lora_unet_${underscored(original)}`,
    text: (name) => `lora_te1_text_model_${underscored(name)}`,
  },
  "kohya-ss with dots": { unet: (ours) => `lora_unet.${ours}`, text: (name) => `lora_te.text_model.${name}` },
  OneTrainer: { unet: (_, original) => `unet.${original}`, text: (name) => `clip_l.text_model.${name}` },
  ComfyUI: { unet: (_, original) => `diffusion_model.${original}`, text: (name) => `text_encoders.clip_l.transformer.text_model.${name}` },
  "ComfyUI, of Stable Diffusion 2": { text: (name) => `text_encoders.clip_h.transformer.text_model.${name}` },
  checkpoints: {
    unet: (_, original) => `model.diffusion_model.${original}`,
    text: (name) => `cond_stage_model.transformer.text_model.${name}`,
  },
  LyCORIS: { unet: (ours) => `lycoris_${underscored(ours)}`, text: (name) => `lycoris_text_model_${underscored(name)}` },
  diffusers: { unet: (ours) => `unet.${ours}`, text: (name) => `text_encoder.text_model.${name}` },
  PEFT: { unet: (ours) => `base_model.model.${ours}` },
  "PEFT, a text encoder's": { text: (name) => `base_model.model.text_model.${name}` },
  "a text encoder's alone": { text: (name) => `text_model.${name}` },
};

/** The ends of names, and the factors' shapes for a layer. */
const METHODS: Readonly<Record<string, (ins: number, out: number) => Readonly<Record<string, readonly number[]>>>> = {
  LoRA: (ins, out) => ({ "lora_down.weight": [2, ins], "lora_up.weight": [out, 2], alpha: [] }),
  "diffusers' LoRA": (ins, out) => ({ "lora_A.weight": [2, ins], "lora_B.weight": [out, 2] }),
  DoRA: (ins, out) => ({ "lora_down.weight": [2, ins], "lora_up.weight": [out, 2], dora_scale: [1, ins] }),
  "PEFT's DoRA": (ins, out) => ({ "lora_A.weight": [2, ins], "lora_B.weight": [out, 2], lora_magnitude_vector: [out] }),
  LoHa: (ins, out) => ({ hada_w1_a: [out, 2], hada_w1_b: [2, ins], hada_w2_a: [out, 2], hada_w2_b: [2, ins], alpha: [] }),
  LoKr: (ins, out) => ({ lokr_w1: [4, 4], lokr_w2_a: [out / 4, 2], lokr_w2_b: [2, ins / 4], alpha: [] }),
  full: (ins, out) => ({ diff: [out, ins], diff_b: [out] }),
};

async function pathsOf(
  naming: (typeof NAMINGS)[string],
  method: (typeof METHODS)[string],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const tensors: Record<string, Tensor> = {};
  const add = (name: string, ins: number, out: number) => {
    for (const [end, shape] of Object.entries(method(ins, out))) tensors[`${name}.${end}`] = Tensor.zeros(shape);
  };
  for (const [ours, original, ins, out] of naming.unet ? LAYERS.unet : []) add(naming.unet?.(ours, original) ?? "", ins, out);
  for (const [name, , ins, out] of naming.text ? LAYERS.text : []) add(naming.text?.(name) ?? "", ins, out);
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "fox.safetensors"), tensors);
  const { changes, leftOut } = matchLora(await readLora(openFolder(folder), "fox.safetensors"), await openTargets(checkpoint("sd1-mini")));
  expect(leftOut).toEqual([]);
  return Object.fromEntries([...changes].map(([part, layers]) => [part, [...layers.keys()].sort()]));
}

describe.each(Object.entries(NAMINGS))("LoRAs with the names of %s", (_, naming) => {
  it.each(Object.entries(METHODS))("change all their layers: %s", async (_, method) => {
    expect(await pathsOf(naming, method)).toEqual({
      ...(naming.unet && { unet: LAYERS.unet.map(([ours]) => ours) }),
      ...(naming.text && { text_encoder: LAYERS.text.map(([name]) => name) }),
    });
  });
});

describe("Stable Diffusion XL's second text encoder", () => {
  it.each(["lora_te2_", "lora_te2.", "clip_g.", "text_encoders.clip_g.transformer.", "text_encoder_2."])(
    "is changed by %s",
    async (start) => {
      const folder = temporaryFolder();
      const base = `${start}text_model.encoder.layers.0.mlp.fc2`;
      writeSafetensors(join(folder, "fox.safetensors"), {
        [`${base}.lora_down.weight`]: Tensor.zeros([2, 128]),
        [`${base}.lora_up.weight`]: Tensor.zeros([32, 2]),
      });
      const { changes } = matchLora(await readLora(openFolder(folder), "fox.safetensors"), await openTargets(checkpoint("sdxl-base-mini")));
      expect([...changes].map(([part, layers]) => [part, ...layers.keys()])).toEqual([["text_encoder_2", "encoder.layers.0.mlp.fc2"]]);
    },
  );
});

// As LCM-LoRA, Lightning, Hyper and Turbo LoRAs are: every layer of the UNet, in diffusers' names or in Stability's.
describe.each(["sd15", "sd21", "sdxl-base", "sdxl-refiner"])("a LoRA of every layer of a full-sized %s", (family) => {
  it.each(["diffusers", "original"])("finds them all by %s names", async (names) => {
    const root = await openCheckpoint(sparseFile(FULL_SIZE[family]?.() ?? {}));
    const weights = await openWeights(root.open("unet"), {});
    const start = "model.diffusion_model.";
    const layers =
      names === "diffusers"
        ? weights.names()
        : Object.keys(FULL_SIZE[family]?.() ?? {}).flatMap((name) => (name.startsWith(start) ? name.slice(start.length) : []));
    const shapes = layers.flatMap((name) => {
      const base = /^(.+)\.weight$/.exec(name)?.[1];
      return base === undefined ? [] : [[`lora_unet_${base.replaceAll(".", "_")}.diff_b`, [1]] as const];
    });
    const file = sparseFile(Object.fromEntries(shapes));
    const lora = await readLora(openFolder(dirname(file)), basename(file));
    expect(lora.layers.length).toBeGreaterThan(200);
    const places = placesOf("unet", weights);
    const strangers = lora.layers.filter(({ layer }) => !places.has(layer));
    expect(strangers.map(({ layer }) => layer)).toEqual([]);
  });
});
