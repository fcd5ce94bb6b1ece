import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, onTestFinished } from "vitest";
import type { Json } from "../../src/checkpoint/json.js";
import { sizeOf, Tensor } from "../../src/tensor/tensor.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { editedBytes, editedJson, hostileNumber, hostileText, hostileValue, pythonJson } from "./hostile.js";
import { watchSizes } from "./inspecting-engine.js";
import { type Files, MemoryFolder } from "./memory-folder.js";
import { checkpointFiles, openStableDiffusion } from "./pipelines.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "fox.safetensors";
const CHECKPOINT = checkpointFiles("sd1-mini");

/** A LoRA of the fixtures, taken apart: one of `folder`. */
function parts(
  name: string,
  folder = "lora/adapters",
): { readonly header: Record<string, Json>; readonly data: Uint8Array; readonly bytes: Uint8Array } {
  const bytes = readFileSync(fileURLToPath(new URL(`../fixtures/${folder}/${name}.safetensors`, import.meta.url)));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  return { header: JSON.parse(bytes.toString("utf8", 8, start)), data: bytes.subarray(start), bytes };
}

const LORAS = [
  ...["sd1_kohya", "sd1_locon", "sd1_peft", "sd1_metadata"].map((name) => parts(name)),
  ...["loha", "lokr", "dora", "full", "norms", "ia3", "glora"].map((name) => parts(name, "lora-methods/adapters")),
];

/**
 * Loads the file into the networks, computes with it beside them and fused, and takes it out again. Weights that lie outside the file make
 * it fail.
 */
async function strike(bytes: Uint8Array, beside: Files = new Map()): Promise<void> {
  const folder = new MemoryFolder(new Map([[FILE, bytes], ...beside]));
  const known = new Map([...CHECKPOINT, [FILE, bytes], ...beside]);
  const pipe = await openStableDiffusion(new MemoryFolder(CHECKPOINT), known);
  const { unet, textEncoder } = pipe;
  const compute = async () => {
    await unet.forward(Tensor.zeros([1, 4, 8, 8]), 1, { encoderHiddenStates: Tensor.zeros([1, 3, 32]) });
    await textEncoder.forward(new Tensor("int64", [1, 2], BigInt64Array.of(1n, 2n)));
  };
  const unwatch = watchSizes();
  onTestFinished(unwatch);
  await refusing(() => pipe.loadLoraWeights(folder, { weightName: FILE, adapterName: "fox" }));
  if (pipe.getActiveAdapters().length > 0) {
    await refusing(compute);
    unet.setAttentionSlice("max");
    await refusing(compute);
    pipe.setAdapters("fox", 0.5);
    pipe.fuseLora();
    await refusing(compute);
  }
  pipe.unloadLoraWeights();
  unwatch();
  expect([pipe.getActiveAdapters(), pipe.tokenizer.addedTokens]).toEqual([[], []]);
}

const header = fc.constantFrom(...LORAS).chain(({ header, data }) => editedJson(header).map((text) => safetensorsBytes(text, data)));

const layer = fc.constantFrom(
  "mid_block_attentions_0_proj_in",
  "mid_block.attentions.0.proj_in",
  "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
  "mid_block_resnets_0_conv1",
  "encoder_layers_0_self_attn_q_proj",
  "mid_block_resnets_0_norm1",
  "middle_block.1.proj_in",
);
const start = fc.oneof(
  fc.constantFrom(
    "lora_unet_",
    "lora_te_text_model_",
    "lora_te1_",
    "lora_te2_",
    "lycoris_",
    "clip_l.text_model.",
    "diffusion_model.",
    "text_encoders.clip_g.transformer.",
    "bundle_emb.fox.",
    "unet.",
    "text_encoder.text_model.",
    "base_model.model.",
    "",
  ),
  hostileText,
);
const end = fc.oneof(
  fc.constantFrom(
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora_mid.weight",
    ".alpha",
    ".lora_A.weight",
    ".lora_B.default.weight",
    "_lora.down.weight",
  ),
  fc.constantFrom(".lora_down.scale_weight", ".lora_up.weight_scale", ".lora_A.weight_scale", ".lora_down.comfy_quant"),
  fc.constantFrom(".dora_scale", ".lora_magnitude_vector", ".lora_B.bias", ".lokr_w1".repeat(2000), `.lora_A${".x".repeat(2000)}`),
  fc.constantFrom(".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b", ".hada_t1", ".hada_t2"),
  fc.constantFrom(".lokr_w1", ".lokr_w1_a", ".lokr_w1_b", ".lokr_w2", ".lokr_w2_a", ".lokr_w2_b", ".lokr_t2"),
  fc.constantFrom(".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight"),
  fc.constantFrom(".diff", ".diff_b", ".w_norm", ".b_norm", ".ia3_l", ".weight", ".on_input", ".oft_blocks"),
  fc.constantFrom(".string_to_param.*", ".emb_params", ".clip_l", ".clip_g"),
);
const shape = fc.oneof(
  fc.constantFrom([32, 32], [4, 4], [8, 8], [1, 32], [32], [2, 2], [4, 2], [2, 8], [32, 32, 3, 3]),
  fc.constantFrom([2, 32], [32, 2], [2, 32, 3, 3], [32, 2, 1, 1], [2, 2, 3, 3], [2, 16], [16, 2], [], [1], [0, 32], [32, 0]),
  fc.array(fc.nat(8), { maxLength: 5 }),
);
const tensor = fc.record({
  name: fc.tuple(start, layer, end).map((each) => each.join("")),
  shape,
  dtype: fc.constantFrom("F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "F8_E5M2"),
});
const BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, I64: 8, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1 };

/** A file that is a safetensors file as it should be, whose tensors are called nearly as a LoRA's are. */
const written = fc.tuple(fc.array(tensor, { minLength: 1, maxLength: 6 }), fc.nat(255)).map(([tensors, byte]) => {
  let length = 0;
  const entries = [...new Map(tensors.map((each) => [each.name, each])).values()].map(({ name, shape, dtype }) => {
    const offset = length;
    length += sizeOf(shape) * (BYTES[dtype] ?? 4);
    return [name, { dtype, shape, data_offsets: [offset, length] }];
  });
  return safetensorsBytes(Object.fromEntries(entries), new Uint8Array(length).fill(byte));
});

const CONFIG = {
  "unet.lora_alpha": 8,
  "unet.r": 2,
  "unet.alpha_pattern": { "attentions.0.proj_in": 3, "^mid_block": 1 },
  "unet.use_rslora": true,
  "text_encoder.lora_alpha": 1,
};

/** A LoRA with the config that diffusers puts into the metadata, as somebody else would write it. */
const described = fc
  .tuple(fc.constantFrom(...LORAS), fc.oneof(editedJson(CONFIG), hostileText, editedBytes(Buffer.from(JSON.stringify(CONFIG))).map(String)))
  .map(([{ header, data }, text]) => safetensorsBytes(JSON.stringify({ ...header, __metadata__: { lora_adapter_metadata: text } }), data));

/** A config with an alpha for more layers than there are, in a file with many of them. */
const crowded = fc.constant(50_000).map((count) => {
  const pattern = Object.fromEntries(Array.from({ length: count }, (_, i) => [`block.${i}.proj`, 1]));
  const names = Array.from({ length: count }, (_, i) => [`unet.layer.${i}.lora_A.weight`, `unet.layer.${i}.lora_B.weight`]).flat();
  const entries = names.map((name, i) => [name, { dtype: "U8", shape: [1, 1], data_offsets: [i, i + 1] }]);
  const metadata = { lora_adapter_metadata: pythonJson({ "unet.lora_alpha": 1, "unet.alpha_pattern": pattern }) };
  return safetensorsBytes({ __metadata__: metadata, ...Object.fromEntries(entries) }, new Uint8Array(names.length));
});

/** A file of PEFT's with its config beside it. */
const beside = fc.tuple(
  fc.constantFrom(...LORAS),
  editedJson({ lora_alpha: 8, r: 2, alpha_pattern: { a: 1 } }, fc.oneof(hostileNumber, hostileValue)),
);

/** Every tensor that a method may have for one layer, in shapes that nearly fit: some are changed, some left out. */
const factors = fc
  .tuple(
    fc.constantFrom<Readonly<Record<string, readonly number[]>>>(
      { hada_w1_a: [32, 2], hada_w1_b: [2, 32], hada_w2_a: [32, 2], hada_w2_b: [2, 32] },
      { hada_w1_a: [2, 32], hada_w1_b: [2, 32], hada_w2_a: [2, 32], hada_w2_b: [2, 32], hada_t1: [2, 2, 1, 1], hada_t2: [2, 2, 1, 1] },
      { lokr_w1: [4, 4], lokr_w2: [8, 8] },
      { lokr_w1_a: [4, 1], lokr_w1_b: [1, 4], lokr_w2_a: [2, 8], lokr_w2_b: [2, 8], lokr_t2: [2, 2, 1, 1] },
      { "lora_down.weight": [2, 32], "lora_up.weight": [32, 2], dora_scale: [1, 32] },
      { "a1.weight": [32, 2], "a2.weight": [2, 32], "b1.weight": [32, 2], "b2.weight": [2, 32] },
      { diff: [32, 32], diff_b: [32] },
      { weight: [32], on_input: [] },
    ),
    fc.array(fc.tuple(fc.nat(6), fc.nat(4), fc.oneof(fc.nat(4), fc.constantFrom(2 ** 20, 32)))),
    fc.array(fc.nat(6)),
    fc.constantFrom("F32", "BF16", "I64"),
    fc.nat(255),
  )
  .map(([shapes, edits, missing, dtype, byte]) => {
    const tensors = Object.entries(shapes).map(([end, shape]) => ({ end, shape: [...shape] }));
    for (const [which, axis, extent] of edits) {
      const shape = tensors[which]?.shape;
      if (shape && axis <= shape.length && sizeOf(shape) * extent < 2 ** 22) shape[axis] = extent;
    }
    let length = 0;
    const kept = tensors.filter((_, i) => !missing.includes(i) || i === 0);
    const entries = kept.map(({ end, shape }) => {
      const offset = length;
      length += sizeOf(shape) * (BYTES[dtype] ?? 4);
      return [`lora_unet_mid_block_attentions_0_proj_in.${end}`, { dtype, shape, data_offsets: [offset, length] }];
    });
    return safetensorsBytes(Object.fromEntries(entries), new Uint8Array(length).fill(byte));
  });

surface("a LoRA", [
  attack("whose factors do not fit each other", factors, (bytes) => strike(bytes), { runs: 150 }),
  attack("whose header has fields that are wrong", header, (bytes) => strike(bytes), { runs: 60 }),
  attack(
    "with damaged bytes",
    fc.constantFrom(...LORAS).chain(({ bytes }) => editedBytes(bytes)),
    (bytes) => strike(bytes),
    { runs: 40 },
  ),
  attack("of strange names and shapes", written, (bytes) => strike(bytes), { runs: 150 }),
  attack("with metadata that is wrong", described, (bytes) => strike(bytes), { runs: 60 }),
  attack(
    "with a config beside it that is wrong",
    beside,
    ([{ bytes }, text]) => strike(bytes, new Map([["adapter_config.json", Buffer.from(text)]])),
    {
      runs: 20,
    },
  ),
  attack("of very many layers and alphas", crowded, (bytes) => strike(bytes), { runs: 1, isBrief: true }),
]);
