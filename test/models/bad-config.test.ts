import { describe, expect, it, onTestFinished } from "vitest";
import { CheckpointError, ConfigError, type DarkroomError } from "../../src/errors.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { type Changes, changedPart, type Tensors } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";

const UNET = "sd1-mini/unet";
const VAE = "sd1-mini/vae";
const TEXT = "sd1-mini/text_encoder";

/** No network gets as far as an engine here. */
const noEngine: Engine = {
  device: "cpu",
  capabilities: { device: "cpu" },
  load: () => Promise.reject(new Error("a network was built")),
  dispose: () => Promise.resolve(),
};

const openUnet = (changes: Changes) => UNet2DConditionModel.fromPretrained(changedPart(UNET, changes), { engine: noEngine });
const openVae = (changes: Changes) => AutoencoderKL.fromPretrained(changedPart(VAE, changes), { engine: noEngine });
const openText = (changes: Changes) => CLIPTextModel.fromPretrained(changedPart(TEXT, changes), { engine: noEngine });

async function failure(work: Promise<unknown>): Promise<DarkroomError> {
  return work.then(
    () => expect.fail("no error"),
    (error) => error,
  );
}

/** The message names the config file and the field, as the file spells it. */
async function expectNamed(work: Promise<unknown>, field: string, ...parts: string[]): Promise<void> {
  const error = await failure(work);
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toMatch(new RegExp(`config\\.json: ${field.replaceAll(".", "\\.")}\\b`));
  for (const part of parts) expect(error.message).toContain(part);
}

describe("a UNet's config", () => {
  it.each<[string, unknown, string?]>([
    ["mid_block_type", "UNetMidBlock3DCrossAttn"],
    ["act_fn", "gelu_new"],
    ["attention_type", "gated"],
    ["attention_type", "gated-text-image"],
    ["resnet_time_scale_shift", "ada_group"],
    ["time_embedding_type", "learned"],
    ["class_embed_type", "projections"],
    ["addition_embed_type", "image_hint"],
    ["encoder_hid_dim_type", "image_proj"],
    ["timestep_post_act", "sigmoid"],
    ["time_embedding_act_fn", "sigmoid"],
    ["cross_attention_norm", "batch_norm"],
    ["resnet_skip_time_act", "yes"],
    ["dual_cross_attention", true],
    ["only_cross_attention", "yes"],
    ["center_input_sample", 1],
    ["in_channels", 0],
    ["out_channels", -4],
    ["layers_per_block", 1.5],
    ["norm_num_groups", "32"],
    ["cross_attention_dim", 0],
    ["attention_head_dim", -8],
    ["conv_in_kernel", 0],
    ["sample_size", 0],
    ["sample_size", 5000],
    ["layers_per_block", 1e9],
    ["downsample_padding", 1e9],
    ["addition_time_embed_dim", 1e9],
    ["block_out_channels", 320],
    ["down_block_types", "DownBlock2D"],
  ])("with %s %j is refused by the field's name and its value", async (field, value) => {
    await expectNamed(openUnet({ config: { [field]: value } }), field, Array.isArray(value) ? "" : String(value));
  });

  it.each([
    ["down_block_types", ["DownBlock2D", "SkipDownBlock2D"], "SkipDownBlock2D"],
    ["up_block_types", ["AttnSkipUpBlock2D", "UpBlock2D"], "AttnSkipUpBlock2D"],
  ])("with an unknown block among %s is refused by the block's place and name", async (field, types, unknown) => {
    const place = types.indexOf(unknown);
    await expectNamed(openUnet({ config: { [field]: types } }), `${field}.${place}`, unknown, "expected");
  });

  it.each([
    ["block_out_channels", [16, 32, 32], 3],
    ["up_block_types", ["UpBlock2D"], 1],
    ["layers_per_block", [1, 1, 1], 3],
    ["attention_head_dim", [4], 1],
    ["cross_attention_dim", [32, 32, 32], 3],
    ["transformer_layers_per_block", [1], 1],
    ["only_cross_attention", [false], 1],
  ])("with a list %s whose length is not the number of blocks is refused", async (field, value, length) => {
    await expectNamed(openUnet({ config: { [field]: value } }), field, `${length} entries; down_block_types has 2`);
  });

  it("with K blocks beside others, or without norms for others, is refused", async () => {
    const down_block_types = ["KDownBlock2D", "KDownBlock2D"];
    const refuse = async (config: Readonly<Record<string, unknown>>, message: RegExp) =>
      expect((await failure(openUnet({ config }))).message).toMatch(message);
    await refuse({ down_block_types }, /types KDownBlock2D and CrossAttnUpBlock2D|types KDownBlock2D and UpBlock2D/);
    await refuse({ down_block_types, up_block_types: ["KUpBlock2D", "KUpBlock2D"] }, /KDownBlock2D and UNetMidBlock2DCrossAttn/);
    await refuse({ norm_num_groups: null }, /norm_num_groups is null; only networks of K blocks/);
    await refuse({ time_embedding_type: "fourier", time_embedding_dim: 33 }, /time_embedding_dim is 33; .* must be even/);
  });

  it("with a wrong value is refused with the values that are expected", async () => {
    const { message } = await failure(openUnet({ config: { act_fn: "gelu_new" } }));
    expect(message).toMatch(/act_fn is "gelu_new"; expected one of "silu", "swish", "gelu", "mish", "relu"$/);
  });

  it("can have fields that no network reads", async () => {
    await expect(openUnet({ config: { my_own_note: "x", dropout: 0.1 } })).resolves.toBeInstanceOf(UNet2DConditionModel);
  });

  it("has diffusers' defaults for fields that it lacks", async () => {
    const { config } = await openUnet({ config: { norm_eps: undefined, act_fn: undefined, flip_sin_to_cos: undefined } });
    expect([config.normEps, config.actFn, config.flipSinToCos]).toEqual([1e-5, "silu", true]);
  });
});

describe("an autoencoder's config", () => {
  it.each([
    ["act_fn", "sigmoid"],
    ["layers_per_block", 0],
    ["latent_channels", 1.5],
    ["scaling_factor", "0.18215"],
    ["use_quant_conv", "no"],
    ["mid_block_add_attention", 1],
    ["norm_num_groups", -1],
    ["sample_size", 0.5],
  ])("with %s %j is refused by the field's name and its value", async (field, value) => {
    await expectNamed(openVae({ config: { [field]: value } }), field, String(value));
  });

  it("with an unknown block is refused by its name", async () => {
    const types = ["DownEncoderBlock2D", "SkipDownBlock2D"];
    await expectNamed(openVae({ config: { down_block_types: types } }), "down_block_types.1", "SkipDownBlock2D");
  });

  it("with more channels than blocks is refused", async () => {
    await expectNamed(openVae({ config: { block_out_channels: [16, 32, 32] } }), "block_out_channels", "3 entries; down_block_types has 2");
  });
});

describe("a text encoder's config", () => {
  it.each([
    ["hidden_act", "laplace"],
    ["num_hidden_layers", 0],
    ["num_attention_heads", "8"],
    ["hidden_size", 12.5],
    ["max_position_embeddings", 1e6],
    ["eos_token_id", "<|endoftext|>"],
  ])("with %s %j is refused by the field's name and its value", async (field, value) => {
    await expectNamed(openText({ config: { [field]: value } }), field, String(value));
  });
});

describe("a part of another class", () => {
  it("is refused with both names", async () => {
    const opened = AutoencoderKL.fromPretrained(checkpoint(UNET), { engine: noEngine });
    await expect(opened).rejects.toThrow(ConfigError);
    await expect(opened).rejects.toThrow(/config\.json is of class UNet2DConditionModel; expected AutoencoderKL/);
  });

  it("is refused by a text encoder's architecture", async () => {
    const opened = CLIPTextModelWithProjection.fromPretrained(checkpoint(TEXT), { engine: noEngine });
    await expect(opened).rejects.toThrow(/is of class CLIPTextModel; expected CLIPTextModelWithProjection/);
  });

  it("is accepted if the config names no class", async () => {
    await expect(openVae({ config: { _class_name: undefined } })).resolves.toBeInstanceOf(AutoencoderKL);
  });
});

describe("weights that do not fit the config", () => {
  const latents = Tensor.zeros([1, 4, 8, 8]);
  const predict = async (changes: Changes) => {
    const unet = await openUnet(changes);
    return unet.forward(latents, 1, { encoderHiddenStates: Tensor.zeros([1, 3, unet.config.crossAttentionDim as number]) });
  };
  const without = (name: string) => (tensors: Tensors) =>
    Object.fromEntries(Object.entries(tensors).filter(([each]) => each !== name)) as Tensors;

  it("are refused with the name of the missing tensor", async () => {
    const error = await failure(predict({ weights: without("mid_block.resnets.0.conv1.weight") }));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/diffusion_pytorch_model\.safetensors: tensor mid_block\.resnets\.0\.conv1\.weight is missing/);
  });

  it("are refused with the tensor's name, its shape and the expected shape", async () => {
    const weights = (tensors: Tensors): Tensors => ({ ...tensors, "conv_out.weight": Tensor.zeros([4, 16, 1, 1]) });
    const error = await failure(predict({ weights }));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/tensor conv_out\.weight is \[4, 16, 1, 1\]; config\.json asks for \[4, 16, 3, 3\]/);
    expect(error.hint).toContain("take both from the same checkpoint");
  });

  it("are refused if the config has another width of context", async () => {
    const error = await failure(predict({ config: { cross_attention_dim: 48 } }));
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/attn2\.to_k\.weight is \[\d+, 32\]; config\.json asks for \[\d+, 48\]/);
  });

  it("are refused if the channels do not divide into groups", async () => {
    const error = await failure(predict({ config: { norm_num_groups: 5 } }));
    expect(error).toEqual(new ConfigError("16 channels do not divide into 5 groups (norm_num_groups)"));
  });

  it("are refused if the channels do not divide into heads", async () => {
    const error = await failure(predict({ config: { attention_head_dim: 3 } }));
    expect(error.message).toMatch(/channels do not divide into 3 attention heads/);
  });

  it("can have any dtype but integers", async () => {
    const weights = (tensors: Tensors): Tensors => ({
      ...tensors,
      "conv_in.bias": new Tensor("int32", [16], new Int32Array(16)),
    });
    const error = await failure(predict({ weights }));
    expect(error.message).toMatch(/tensor conv_in\.bias is int32; a weight must be float32, float16, bfloat16, float64/);
  });
});

describe("weights in half precision", () => {
  const rounded = (dtype: DType, stored: DType) => (tensors: Tensors) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.to(dtype).to(stored)])) as Tensors;

  it.each(["float16", "bfloat16"] as const)("of %s give the results of the same numbers in float32", async (dtype) => {
    const latents = randn([1, 4, 8, 8], new Generator(0));
    const decode = async (stored: DType) => {
      const vae = await AutoencoderKL.fromPretrained(changedPart(VAE, { weights: rounded(dtype, stored) }), { device: "cpu" });
      onTestFinished(() => vae.dispose());
      return (await vae.decode(latents)).sample;
    };
    const [half, full] = await Promise.all([decode(dtype), decode("float32")]);
    // Not equal to the bit: the runtime folds constants in another order.
    const largest = Math.max(...half.sub(full).data.map(Math.abs));
    expect(largest).toBeLessThan(1e-5);
  });
});
