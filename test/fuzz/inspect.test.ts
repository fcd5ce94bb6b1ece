import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect } from "vitest";
import type { Json } from "../../src/checkpoint/json.js";
import { readSafetensorsHeader } from "../../src/checkpoint/safetensors.js";
import { formatInspection } from "../../src/cli/inspect.js";
import { inspect } from "../../src/inspect/inspect.js";
import { recogniseFile } from "../../src/recognise/recognise-file.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { originalTensors } from "../helpers/single-files.js";
import { editedBytes, editedJson, hostileText, hostileValue, pythonJson } from "./hostile.js";
import { type Files, MemoryFolder } from "./memory-folder.js";
import { checkpointFiles } from "./pipelines.js";
import { editedTensors, fileOf, SMALLEST, stored } from "./stored-tensors.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "model.safetensors";
/** Letters of the longest line that a report may have: of words, ranks and variants there may be some. */
const LONGEST_LINE = 5000;

const file = (bytes: Uint8Array): Files => new Map([[FILE, bytes]]);

/** Says what it is, to people and to programs. */
async function strike(files: Files): Promise<void> {
  const folder = new MemoryFolder(files);
  const inspection = await refusing(() => inspect(folder));
  if (!inspection) return;
  const report = formatInspection(inspection);
  expect(report).not.toMatch(/[^\P{Cc}\n]/u);
  for (const line of report.split("\n")) expect(line.length).toBeLessThanOrEqual(LONGEST_LINE);
  expect(JSON.parse(JSON.stringify(inspection))).toMatchObject({ kind: inspection.kind });
  // As `darkroom models` asks.
  const bytes = files.get(FILE);
  if (bytes && files.size === 1) await recogniseFile(await readSafetensorsHeader(folder, FILE), folder, FILE);
}

const LORA = readFileSync(fileURLToPath(new URL("../fixtures/lora/adapters/sd1_metadata.safetensors", import.meta.url)));
const LORA_START = 8 + Number(LORA.readBigUInt64LE(0));
const LORA_HEADER: Record<string, Json> = JSON.parse(LORA.toString("utf8", 8, LORA_START));
const TAGS = { "10_fox": { "red fox": 20, snow: 3 }, "2_cat": { cat: 4 } };

const record = fc.oneof(
  editedJson(TAGS, fc.oneof(hostileValue, fc.dictionary(hostileText, hostileValue, { maxKeys: 3 }))),
  editedJson({ "unet.lora_alpha": 8, lora_alpha: 4 }),
  editedBytes(Buffer.from(JSON.stringify(TAGS))).map(String),
  hostileText,
);
const metadataKey = fc.constantFrom(
  ...["ss_tag_frequency", "lora_adapter_metadata", "ss_network_alpha", "ss_output_name", "ss_base_model_version", "sshs_model_hash"],
  ...["modelspec.title", "modelspec.trigger_phrase", "modelspec.architecture", "modelspec.description", "modelspec.author"],
);
const metadata = fc.dictionary(fc.oneof({ weight: 4, arbitrary: metadataKey }, { weight: 1, arbitrary: hostileText }), record, {
  maxKeys: 6,
});

const SINGLES = [
  ...Object.values(SMALLEST),
  ...["sd1-mini", "sdxl-base-mini", "controlnet-mini"].map((name) => stored(originalTensors(name))),
  stored({ emb_params: [3, 768] }),
  stored({ clip_l: [3, 768], clip_g: [3, 1280] }),
  stored({ "<cat>": [768] }),
];

/** Tensors of every other family, by name and shape. */
const foreign = fc
  .array(
    fc.tuple(
      fc.constantFrom("", "model.diffusion_model.", "transformer.", "base_model.model.", "lora_unet_", "lora_te1_"),
      fc.constantFrom(
        ...[
          "double_blocks.0.img_attn.qkv",
          "joint_blocks.0.x_block",
          "down_blocks_0_attentions_0_attn2_to_k",
          "depth_model.x",
          "label_emb",
        ],
        ...[
          "first_stage_model.quantize.embedding",
          "cond_stage_model.transformer.attn_layers.0",
          "image_proj.x",
          "control_add_embedding.x",
        ],
      ),
      fc.constantFrom(".weight", ".lora_down.weight", ".lora_A.weight", ".hada_w1_a", ".lokr_w1", ".dora_scale", ".alpha", ""),
      fc.array(fc.nat(6), { maxLength: 5 }),
    ),
    { maxLength: 8 },
  )
  .map((all) => all.map(([start, layer, end, shape]) => ({ name: start + layer + end, dtype: "F32", shape })));

/** Checkpoints and their parts, as folders. */
const FOLDERS = [
  "sd1-mini",
  "sdxl-base-mini",
  "ddpm-mini",
  "taesd-mini",
  "tokenizer-mini",
  "sd1-mini/unet",
  "sd1-mini/scheduler",
  "safety-mini",
].map((name) => checkpointFiles(name));

/** Folders with JSON files that are wrong... */
const editedFolder = fc
  .constantFrom(...FOLDERS)
  .chain((files) =>
    fc
      .constantFrom(...[...files.keys()].filter((path) => path.endsWith(".json") && (files.get(path)?.length ?? 0) < 100_000))
      .chain((path) =>
        editedJson(JSON.parse(String(files.get(path))), fc.oneof(hostileValue, fc.tuple(hostileText, hostileText))).map(
          (json): Files => new Map([...files, [path, Buffer.from(json)]]),
        ),
      ),
  );
/** ...and with any files under names that mean something. */
const path = fc.constantFrom(
  ...["model_index.json", "config.json", "scheduler_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"],
  ...[
    "adapter_model.safetensors",
    "adapter_config.json",
    "a.safetensors",
    "b.fp16.safetensors",
    "vocab.json",
    "unet/config.json",
    "vae/config.json",
  ],
  ...["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.safetensors.index.json", "scheduler/scheduler_config.json"],
  ...["unet/diffusion_pytorch_model.\u001b[2J.safetensors", "model.\u009b.safetensors", "pytorch_model.bin", "\u001b.safetensors"],
);
const CONFIG = { _class_name: "StableDiffusionPipeline", unet: ["diffusers", "UNet2DConditionModel"], sample_size: 8, lora_alpha: 1 };
const content = fc.oneof(
  editedJson(CONFIG, fc.oneof(hostileValue, fc.tuple(hostileText, hostileText))).map((json) => Buffer.from(json)),
  hostileValue.map((json) => Buffer.from(pythonJson(json))),
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(fileOf(stored({ "conv_in.weight": [4, 4, 3, 3] }))),
  fc.constant(LORA),
  metadata.map((texts) => fileOf(stored({ "lora_unet_x.lora_down.weight": [2, 4], "lora_unet_x.lora_up.weight": [4, 2] }), texts)),
);
const anyFolder = fc.dictionary(path, content, { maxKeys: 6 }).map((files): Files => new Map(Object.entries(files)));

/** A table of contents with more parts than anybody made, and records of more pictures. */
const crowded = fc.constantFrom<Files>(
  new Map([
    [
      "model_index.json",
      Buffer.from(
        JSON.stringify({
          _class_name: "P",
          ...Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`p${i}`, ["diffusers", "Model"]])),
        }),
      ),
    ],
  ]),
  file(
    fileOf(stored({ "lora_unet_x.lora_down.weight": [2, 4], "lora_unet_x.lora_up.weight": [4, 2] }), {
      ss_tag_frequency: JSON.stringify({ a: Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`tag ${i}`, i])) }),
      "modelspec.title": "x".repeat(1_000_000),
    }),
  ),
  file(
    fileOf(
      Array.from({ length: 3000 }, (_, i) => [
        { name: `lora_unet_x${i}.lora_down.weight`, dtype: "F32", shape: [i, 1] },
        { name: `lora_unet_x${i}.lora_up.weight`, dtype: "F32", shape: [1, i] },
      ]).flat(),
    ),
  ),
);

surface("what inspect looks at", [
  attack(
    "a LoRA with records that are wrong",
    metadata.map((texts) => safetensorsBytes({ ...LORA_HEADER, __metadata__: texts }, LORA.subarray(LORA_START))),
    (bytes) => strike(file(bytes)),
    { runs: 80 },
  ),
  attack(
    "a file whose tensors are renamed, reshaped or gone",
    fc.constantFrom(...SINGLES).chain((tensors) => fc.tuple(editedTensors(tensors), metadata).map(([own, texts]) => fileOf(own, texts))),
    (bytes) => strike(file(bytes)),
    { runs: 60 },
  ),
  attack(
    "a file of any family",
    fc.tuple(foreign, metadata).map(([own, texts]) => fileOf(own, texts)),
    (bytes) => strike(file(bytes)),
    { runs: 150 },
  ),
  attack("a folder whose configs are wrong", editedFolder, strike, { runs: 150 }),
  attack("a folder of any files", anyFolder, strike, { runs: 150 }),
  attack("more than anybody made", crowded, strike, { runs: 3, isBrief: true }),
]);
