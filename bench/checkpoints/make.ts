import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../paths.js";
import { clipTextTensors } from "./clip-text.js";
import { type Family, type FamilyName, family, type Scale } from "./families.js";
import type { Tensors } from "./tensors.js";
import { unetTensors } from "./unet.js";
import { vaeTensors } from "./vae.js";
import { type GgufFormat, writeGguf } from "./write-gguf.js";
import { writeHoles, writeWeights } from "./write-weights.js";
import { authorsTensors, llamaTensors, qwen3Tensors, type ZImageFamily, zImageFamily, zImageTensors } from "./z-image.js";

/** CLIP's real vocabulary. */
const TOKENIZER = join(ROOT, "test/checkpoints/tokenizer-clip");
/** A small vocabulary in Qwen's format. */
const QWEN_TOKENIZER = join(ROOT, "test/checkpoints/tokenizer-qwen-mini");

/** The folder of a checkpoint with a family's shapes and random weights, in the diffusers layout. It is made at the first call. */
export function checkpointOf(name: FamilyName, scale: Scale): string {
  const folder = join(ROOT, "bench/.checkpoints", scale === "real" ? name : `${name}-${scale}`);
  if (existsSync(folder)) return folder;
  console.error(`making ${folder}`);
  // Under another name until it is whole.
  const partial = `${folder}.partial-${process.pid}`;
  try {
    if (name === "sd15" || name === "sdxl") make(partial, family(name, scale));
    else makeZImage(partial, zImageFamily(name, scale));
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

function make(root: string, { pipeline, variants, unet, vae, textEncoders }: Family): void {
  const part = (name: string, config: Record<string, unknown>, base: string, tensors: () => Tensors) => {
    const folder = join(root, name);
    writeJson(join(folder, "config.json"), config);
    for (const variant of variants)
      writeWeights(join(folder, `${base}${variant === "fp16" ? ".fp16" : ""}.safetensors`), tensors(), variant);
  };
  const numbered = (name: string, i: number) => (i === 0 ? name : `${name}_${i + 1}`);

  part("unet", ofDiffusers("UNet2DConditionModel", unet), "diffusion_pytorch_model", () => unetTensors(unet));
  part("vae", ofDiffusers("AutoencoderKL", vae), "diffusion_pytorch_model", () => vaeTensors(vae));
  for (const [i, config] of textEncoders.entries()) {
    // Configs on the hub have 2 as the end-of-text token. It means the token with the highest id.
    const whole = { model_type: "clip_text_model", eos_token_id: 2, ...config };
    part(numbered("text_encoder", i), whole, "model", () => clipTextTensors(config));
    writeTokenizer(join(root, numbered("tokenizer", i)));
  }
  writeJson(join(root, "scheduler", "scheduler_config.json"), ofDiffusers("EulerDiscreteScheduler", SCHEDULER));
  const index = {
    scheduler: ["diffusers", "EulerDiscreteScheduler"],
    unet: ["diffusers", "UNet2DConditionModel"],
    vae: ["diffusers", "AutoencoderKL"],
    ...Object.fromEntries(
      textEncoders.flatMap(({ architectures }, i) => [
        [numbered("text_encoder", i), ["transformers", architectures[0]]],
        [numbered("tokenizer", i), ["transformers", "CLIPTokenizer"]],
      ]),
    ),
    feature_extractor: [null, null],
    image_encoder: [null, null],
    ...(pipeline === "StableDiffusionPipeline" && { safety_checker: [null, null], requires_safety_checker: false }),
  };
  writeJson(join(root, "model_index.json"), ofDiffusers(pipeline, index));
}

function ofDiffusers(className: string, config: object): Record<string, unknown> {
  return { _class_name: className, _diffusers_version: "0.42.1", ...config };
}

/** Where a checkpoint has the GGUF files of its transformer and its text encoder. */
export function ggufOf(checkpoint: string, format: GgufFormat): { readonly transformer: string; readonly textEncoder: string } {
  const path = (name: string) => join(checkpoint, "gguf", `${name}-${format}.gguf`);
  return { transformer: path("transformer"), textEncoder: path("text-encoder") };
}

/** Weights in bfloat16, as they are published, and in GGUF files. */
function makeZImage(root: string, { transformer, textEncoder, vae, isSparse }: ZImageFamily): void {
  const part = (name: string, config: Record<string, unknown>, base: string, tensors: Tensors) => {
    writeJson(join(root, name, "config.json"), config);
    (isSparse ? writeHoles : writeWeights)(join(root, name, `${base}.safetensors`), tensors, "bf16");
  };
  const qwen3 = {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    hidden_act: "silu",
    max_position_embeddings: 40960,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
    attention_bias: false,
    ...textEncoder,
  };
  part("transformer", ofDiffusers("ZImageTransformer2DModel", transformer), "diffusion_pytorch_model", zImageTensors(transformer));
  part("vae", ofDiffusers("AutoencoderKL", vae), "diffusion_pytorch_model", vaeTensors(vae));
  part("text_encoder", qwen3, "model", qwen3Tensors(textEncoder));
  mkdirSync(join(root, "gguf"));
  for (const format of ["q8_0", "q4_0"] as const) {
    const paths = ggufOf(root, format);
    writeGguf(paths.transformer, authorsTensors(transformer), format, "lumina2");
    writeGguf(paths.textEncoder, llamaTensors(textEncoder), format, "qwen3");
  }
  cpSync(QWEN_TOKENIZER, join(root, "tokenizer"), { recursive: true });
  writeJson(
    join(root, "scheduler", "scheduler_config.json"),
    ofDiffusers("FlowMatchEulerDiscreteScheduler", { num_train_timesteps: 1000, shift: 3 }),
  );
  writeJson(
    join(root, "model_index.json"),
    ofDiffusers("ZImagePipeline", {
      scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
      transformer: ["diffusers", "ZImageTransformer2DModel"],
      vae: ["diffusers", "AutoencoderKL"],
      text_encoder: ["transformers", "Qwen3Model"],
      tokenizer: ["transformers", "Qwen2Tokenizer"],
    }),
  );
}

/** Euler runs the network once for each step, and every peer has it. */
const SCHEDULER = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  num_train_timesteps: 1000,
  prediction_type: "epsilon",
  steps_offset: 1,
  timestep_spacing: "leading",
};

function writeTokenizer(folder: string): void {
  for (const file of ["vocab.json", "merges.txt", "special_tokens_map.json"]) cpSync(join(TOKENIZER, file), join(folder, file));
  writeJson(join(folder, "tokenizer_config.json"), {
    tokenizer_class: "CLIPTokenizer",
    model_max_length: 77,
    do_lower_case: true,
    bos_token: "<|startoftext|>",
    eos_token: "<|endoftext|>",
    unk_token: "<|endoftext|>",
    pad_token: "<|endoftext|>",
  });
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
