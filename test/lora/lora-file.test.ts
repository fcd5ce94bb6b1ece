import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { merged, readLora } from "../../src/lora/lora-file.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpointError } from "../helpers/errors.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

type Tensors = Readonly<Record<string, Tensor<DType>>>;

const DOWN = Tensor.zeros([2, 8]);
const UP = Tensor.zeros([8, 2]);
const KOHYA = "lora_unet_mid_block_attentions_0_proj_in";
const PRODUCT: Tensors = { [`${KOHYA}.lora_down.weight`]: DOWN, [`${KOHYA}.lora_up.weight`]: UP };

/** Writes a LoRA and reads it. */
async function read(tensors: Tensors, metadata?: Record<string, string>) {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "fox.safetensors"), tensors, metadata);
  return readLora(openFolder(folder, "loras"), "fox.safetensors");
}

/** The scale of the only layer. */
async function scaleOf(tensors: Tensors, metadata?: Record<string, string>): Promise<number | undefined> {
  const { layers } = await read(tensors, metadata);
  expect(layers).toHaveLength(1);
  return layers[0]?.scale;
}

const peftMetadata = (config: unknown) => ({ lora_adapter_metadata: JSON.stringify(config) });

describe("a LoRA's scale", () => {
  it("is 1 if the file has no alpha", async () => {
    expect(await scaleOf(PRODUCT)).toBe(1);
  });

  it("is its alpha over its rank", async () => {
    expect(await scaleOf({ ...PRODUCT, [`${KOHYA}.alpha`]: Tensor.from([0.5], []) })).toBe(0.25);
  });

  // diffusers gives attention layers the most frequent alpha: 1 / 2 for all of these.
  it("is each layer's own if alphas differ, and 1 for a layer without one", async () => {
    const layers = ["q", "k", "v", "out_0"].map((end) => `lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_${end}`);
    const tensors = Object.fromEntries(
      layers.flatMap((layer) => [
        [`${layer}.lora_down.weight`, DOWN],
        [`${layer}.lora_up.weight`, UP],
      ]),
    );
    const alphas = Object.fromEntries([1, 1, 3].map((alpha, i) => [`${layers[i]}.alpha`, Tensor.from([alpha], [])]));
    const lora = await read({ ...tensors, ...alphas });
    expect(Object.fromEntries(lora.layers.map(({ layer, scale }) => [layer.slice(-4), scale]))).toEqual({
      to_q: 0.5,
      to_k: 0.5,
      to_v: 1.5,
      ut_0: 1,
    });
  });

  it("is read from an alpha of half precision, with an axis", async () => {
    expect(await scaleOf({ ...PRODUCT, [`${KOHYA}.alpha`]: Tensor.from([3]).to("float16") })).toBe(1.5);
  });

  it("comes from diffusers' metadata for the network", async () => {
    expect(await scaleOf(PRODUCT, peftMetadata({ "unet.lora_alpha": 8, "text_encoder.lora_alpha": 1 }))).toBe(4);
  });

  it("comes from the pattern that names the layer", async () => {
    const config = { "unet.lora_alpha": 8, "unet.alpha_pattern": { "attentions.1.proj_in": 1, "attentions.0.proj_in": 3 } };
    expect(await scaleOf(PRODUCT, peftMetadata(config))).toBe(1.5);
  });

  it("is over the rank's root with rank-stabilised LoRA", async () => {
    expect(await scaleOf(PRODUCT, peftMetadata({ "unet.lora_alpha": 8, "unet.use_rslora": true }))).toBeCloseTo(8 / Math.SQRT2, 12);
  });

  it("comes from adapter_config.json beside a file of PEFT's", async () => {
    const folder = temporaryFolder({ "adapter_config.json": { lora_alpha: 6, r: 2 } });
    const base = "base_model.model.mid_block.attentions.0.proj_in";
    writeSafetensors(join(folder, "adapter_model.safetensors"), { [`${base}.lora_A.weight`]: DOWN, [`${base}.lora_B.weight`]: UP });
    const { layers } = await readLora(openFolder(folder), "adapter_model.safetensors");
    expect(layers.map(({ layer, scale }) => [layer, scale])).toEqual([["mid_block_attentions_0_proj_in", 3]]);
  });

  it("comes from adapter_config.json for a LoKr of two whole matrices, because the file does not show its rank", async () => {
    const folder = temporaryFolder({ "adapter_config.json": { alpha: 6, r: 2, rank_pattern: { "attentions.0.proj_in": 12 } } });
    const base = "base_model.model.mid_block.attentions.0.proj_in";
    writeSafetensors(join(folder, "adapter_model.safetensors"), { [`${base}.lokr_w1`]: DOWN, [`${base}.lokr_w2`]: DOWN });
    const { layers } = await readLora(openFolder(folder), "adapter_model.safetensors");
    expect(layers.map(({ scale }) => scale)).toEqual([0.5]);
  });

  it("is 1 for LyCORIS's LoKr of two whole matrices, whatever its alpha", async () => {
    expect(await scaleOf({ [`${KOHYA}.lokr_w1`]: DOWN, [`${KOHYA}.lokr_w2`]: DOWN, [`${KOHYA}.alpha`]: Tensor.from([4], []) })).toBe(1);
  });

  it("must be a number", async () => {
    const error = await checkpointError(read({ ...PRODUCT, [`${KOHYA}.alpha`]: Tensor.from([Number.NaN], []) }));
    expect(error.message).toBe(`loras/fox.safetensors: ${KOHYA}.alpha is float32 [] of NaN; an alpha is one number`);
  });

  it("is not taken from metadata that is not JSON", async () => {
    const error = await checkpointError(read(PRODUCT, { lora_adapter_metadata: "{" }));
    expect(error.message).toMatch(/^loras\/fox.safetensors: its metadata lora_adapter_metadata is not JSON: /);
  });
});

describe("a method that Darkroom does not apply", () => {
  const others = [
    ["OFT", `${KOHYA}.oft_blocks`],
    ["OFT", "base_model.model.mid_block.attentions.0.proj_in.oft_R.weight"],
    ["LoRA of embeddings", "text_encoder.text_model.embeddings.token_embedding.lora_embedding_A"],
    ["GLoRA in Tucker form", `${KOHYA}.bm.weight`],
  ] as const;

  it.each(others)("is left out by name beside others: %s with %s", async (method, tensor) => {
    const { layers, leftOut } = await read({ ...PRODUCT, [tensor]: Tensor.zeros([8]) });
    expect(layers).toHaveLength(1);
    expect(merged(leftOut)).toEqual([{ tensors: [tensor], reason: `belong to ${method}, which Darkroom does not apply,` }]);
  });

  it.each(others)("is refused if it is alone: %s with %s", async (method, tensor) => {
    const error = await checkpointError(read({ [tensor]: Tensor.zeros([8]) }));
    expect(error.message).toBe(
      `loras/fox.safetensors: tensor ${tensor} belongs to ${method}, which Darkroom does not apply; the file holds nothing else`,
    );
  });
});

describe("a part of a LoRA that cannot be used is left out:", () => {
  const OTHER = "lora_unet_mid_block_attentions_0_proj_out";
  it.each([
    ["a matrix without its other", { [`${OTHER}.lora_down.weight`]: DOWN }, "has no up matrix beside it"],
    [
      "a LoHa that lacks a factor",
      { [`${OTHER}.hada_w1_a`]: UP, [`${OTHER}.hada_w1_b`]: DOWN, [`${OTHER}.hada_w2_a`]: UP },
      "has no hada_w2_b beside it",
    ],
    ["a LoKr that lacks half of a factor", { [`${OTHER}.lokr_w1`]: DOWN, [`${OTHER}.lokr_w2_a`]: UP }, "has no lokr_w2_b beside it"],
    ["an alpha that is no number", { [`${OTHER}.diff`]: UP, [`${OTHER}.alpha`]: Tensor.from([Number.NaN], []) }, "an alpha is one number"],
  ] as const)("%s", async (_, tensors, message) => {
    const { layers, leftOut } = await read({ ...PRODUCT, ...tensors });
    expect(layers.map(({ layer }) => layer)).toEqual(["mid_block_attentions_0_proj_in"]);
    const [only, ...more] = merged(leftOut);
    expect(more).toEqual([]);
    expect([only?.tensors, only?.reason]).toEqual([Object.keys(tensors).filter((name) => !name.endsWith(".alpha")), "cannot be used"]);
    expect(only?.error?.message).toContain(message);
  });

  it("what repeats another adapter", async () => {
    const base = "unet.mid_block.attentions.0.proj_in";
    const { layers, leftOut } = await read({
      [`${base}.lora_A.a.weight`]: DOWN,
      [`${base}.lora_B.a.weight`]: UP,
      [`${base}.lora_A.b.weight`]: DOWN,
    });
    expect(layers.map(({ tensors }) => tensors.down?.name)).toEqual([`${base}.lora_A.a.weight`]);
    expect(merged(leftOut)).toEqual([{ tensors: [`${base}.lora_A.b.weight`], reason: "have the same role as others" }]);
  });
});

describe("a file that is not a whole LoRA is refused:", () => {
  it("a checkpoint", async () => {
    const error = await checkpointError(read({ "down_blocks.0.resnets.0.conv1.weight": Tensor.zeros([2, 2, 3, 3]) }));
    expect(error.message).toMatch(/^loras\/fox.safetensors is not a LoRA: none of its 1 tensors has a name like /);
    expect(error.hint).toMatch(/fromPretrained/);
  });

  it("a matrix without the other one", async () => {
    const error = await checkpointError(read({ [`${KOHYA}.lora_down.weight`]: DOWN }));
    expect(error.message).toBe(`loras/fox.safetensors: ${KOHYA}.lora_down.weight has no up matrix beside it`);
  });
});
