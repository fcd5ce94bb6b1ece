import { cpSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { HubError } from "../../src/errors.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { inspect } from "../../src/inspect/inspect.js";
import type { LoraInspection } from "../../src/inspect/inspection.js";
import type { Folder } from "../../src/platform/folder.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { authorsLayout, prefixed } from "../helpers/authors-layout.js";
import type { Tensors } from "../helpers/checkpoints.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpointError, hubError } from "../helpers/errors.js";
import { checkpoint } from "../helpers/fixtures.js";
import { FULL_SIZE, sparseFile, vae } from "../helpers/full-size-files.js";
import { HubServer } from "../helpers/hub-server.js";
import { partTensors } from "../helpers/part-tensors.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";

const full = (name: string, metadata?: Readonly<Record<string, string>>) => inspect(sparseFile(FULL_SIZE[name]?.() ?? {}, metadata));

/** A file of tensors of these shapes, all zeros. */
function fileOf(shapes: Readonly<Record<string, readonly number[]>>, metadata?: Record<string, string>, name = "file"): string {
  const path = join(temporaryFolder(), `${name}.safetensors`);
  const tensors: Tensors = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, Tensor.zeros(shape)]));
  writeSafetensors(path, tensors, metadata);
  return path;
}

describe("a checkpoint in a single file", () => {
  it("is described with its parts and its metadata", async () => {
    const metadata = { "modelspec.title": "My \u001b[31mred\u0007 model", "modelspec.prediction_type": "v" };
    expect(await full("sdxl-base", metadata)).toEqual({
      kind: "checkpoint",
      name: expect.stringMatching(/model\.safetensors$/),
      layout: "file",
      className: "StableDiffusionXLPipeline",
      family: "Stable Diffusion XL",
      isInpainting: false,
      predictionType: "v_prediction",
      isPredictionAssumed: false,
      scheduler: "EulerDiscreteScheduler",
      size: 1024,
      sources: {
        family: "its UNet's text features, 2048 wide",
        predictionType: "modelspec.prediction_type in the file",
        scheduler: "as in stabilityai/stable-diffusion-xl-base-1.0",
        size: "usual for the family",
      },
      parts: {
        unet: {
          className: "UNet2DConditionModel",
          counts: { tensors: 1680, parameters: 2_567_463_684, bytes: 5_134_927_368, dtypes: { F16: 1680 } },
        },
        vae: { className: "AutoencoderKL", counts: { tensors: 248, parameters: 83_653_863, bytes: 167_307_726, dtypes: { F16: 248 } } },
        text_encoder: { className: "CLIPTextModel", counts: expect.objectContaining({ tensors: 196, parameters: 123_060_480 }) },
        text_encoder_2: { className: "CLIPTextModelWithProjection", counts: expect.objectContaining({ parameters: 694_659_840 }) },
      },
      counts: { tensors: 2513, parameters: 3_468_837_867, bytes: 6_937_675_734, dtypes: { F16: 2513 } },
      metadata: { "modelspec.title": "My [31mred model", "modelspec.prediction_type": "v" },
    });
  });

  it.each([
    ["sd15", { family: "Stable Diffusion 1", size: 512, isInpainting: false, predictionType: "epsilon", isPredictionAssumed: false }],
    ["sd15-inpaint", { family: "Stable Diffusion 1", className: "StableDiffusionInpaintPipeline", isInpainting: true }],
    ["sd21", { family: "Stable Diffusion 2", size: 768, predictionType: "v_prediction", isPredictionAssumed: true }],
    ["sdxl-refiner", { family: "Stable Diffusion XL's refiner", size: 1024, parts: expect.objectContaining({ text_encoder: null }) }],
  ])("of %s has its family", async (name, expected) => {
    expect(await full(name)).toMatchObject({ kind: "checkpoint", ...expected });
  });

  it("says which parts it lacks", async () => {
    const { "sd1-mini": _, ...shapes } = Object.fromEntries(
      Object.entries(FULL_SIZE.sd15?.() ?? {}).filter(([name]) => !name.startsWith("first_stage_model.")),
    ) as Record<string, readonly number[]>;
    const found = await inspect(sparseFile(shapes));
    expect(found).toMatchObject({ parts: { vae: { problem: expect.stringMatching(/has no autoencoder/) } } });
  });

  it("is described as far as its shapes show, if they do not show everything", async () => {
    expect(await inspect(singleFile("sd2-mini"))).toMatchObject({
      family: "Stable Diffusion 2",
      size: undefined,
      counts: { tensors: 372 },
    });
  });
});

describe("one network in a single file", () => {
  it("may be an autoencoder of any family", async () => {
    expect(await inspect(sparseFile(vae("")))).toMatchObject({
      kind: "network",
      layout: "file",
      className: "AutoencoderKL",
      family: undefined,
      counts: { parameters: 83_653_863 },
    });
  });

  it.each([
    ["flux-schnell-mini-Q4_0.gguf", "FLUX.1", "FluxTransformer2DModel", "black-forest-labs/FLUX.1-schnell", { Q4_0: 24 }],
    ["flux-schnell-mini-fp8_scaled.safetensors", "FLUX.1", "FluxTransformer2DModel", "black-forest-labs/FLUX.1-schnell", { F8_E4M3: 26 }],
    ["z-image-mini-Q4_K.gguf", "Z-Image", "ZImageTransformer2DModel", "Tongyi-MAI/Z-Image", { Q4_K: 2 }],
  ])("may be a transformer, whose family, formats and missing parts are told: %s", async (file, family, className, configs, dtypes) => {
    const found = await inspect(checkpoint(`quantised/${file}`));
    expect(found).toMatchObject({ kind: "network", layout: "file", family, className, configs, counts: { dtypes } });
    const needs = found.kind === "network" ? (found.needs ?? []) : [];
    expect(needs.map(({ part }) => part)).toEqual(expect.arrayContaining(["vae", "text_encoder"]));
    for (const { source } of needs) expect(source).toMatch(/^[\w-]+\/[\w.-]+\/[\w./-]+\.safetensors$/);
  });

  it("needs nothing that the file has", async () => {
    const all = {
      ...prefixed(authorsLayout("ZImageTransformer2DModel", partTensors("z-image-mini/transformer")), "model.diffusion_model."),
      ...prefixed(partTensors("z-image-mini/text_encoder"), "text_encoders.qwen3_4b.transformer."),
      ...prefixed(partTensors("z-image-mini/vae"), "vae."),
    };
    const path = join(temporaryFolder(), "z_image_turbo_aio.safetensors");
    writeSafetensors(path, all);
    expect(await inspect(path)).toMatchObject({ family: "Z-Image", configs: "Tongyi-MAI/Z-Image-Turbo", needs: [] });
  });

  it("may be a ControlNet", async () => {
    expect(await inspect(singleFile("controlnet-mini"))).toMatchObject({
      kind: "network",
      className: "ControlNetModel",
      counts: { tensors: 120 },
    });
  });
});

describe("a folder in diffusers' layout", () => {
  it("is described with its parts and their variants", async () => {
    expect(await inspect(checkpoint("sdxl-base-mini"))).toMatchObject({
      kind: "checkpoint",
      layout: "folder",
      className: "StableDiffusionXLPipeline",
      family: "Stable Diffusion XL",
      predictionType: "epsilon",
      scheduler: "EulerDiscreteScheduler",
      size: 32,
      parts: {
        unet: { className: "UNet2DConditionModel", counts: { dtypes: { F32: 292 } }, variants: ["fp16"] },
        tokenizer: { className: "CLIPTokenizer" },
        feature_extractor: null,
      },
      counts: { tensors: 521 },
      metadata: {},
    });
  });

  it.each([
    // Their text is of a width that no version's is.
    ["sd1-mini", { family: "Stable Diffusion", predictionType: "epsilon" }],
    ["sd1-inpaint-mini", { family: "Stable Diffusion", isInpainting: true }],
    ["sdxl-refiner-mini", { family: "Stable Diffusion XL's refiner" }],
    ["ddpm-mini", { className: "DDPMPipeline", family: undefined, size: 16 }],
  ])("has its family: %s", async (name, expected) => {
    expect(await inspect(checkpoint(name))).toMatchObject(expected);
  });

  it.each([
    ["sd1-mini/unet", { kind: "network", layout: "folder", className: "UNet2DConditionModel" }],
    ["sdxl-base-mini/text_encoder_2", { kind: "network", className: "CLIPTextModelWithProjection", variants: ["fp16"] }],
    ["controlnet-mini", { kind: "network", className: "ControlNetModel" }],
    ["sd2-mini/scheduler", { kind: "scheduler", className: "DDIMScheduler", predictionType: "v_prediction" }],
    ["sd1-mini/tokenizer", { kind: "tokenizer", className: "CLIPTokenizer" }],
  ])("may be one part: %s", async (name, expected) => {
    expect(await inspect(checkpoint(name))).toMatchObject(expected);
  });

  it("has the version that the width of its text features shows", async () => {
    const path = changedCheckpoint("sd2-mini", "unet/config.json", { cross_attention_dim: 1024 });
    expect(await inspect(path)).toMatchObject({ family: "Stable Diffusion 2" });
  });

  it("has its author's texts without control characters", async () => {
    const folder = temporaryFolder({
      "model_index.json": {
        _class_name: "My\u001b[2JPipeline",
        unet: ["diffusers", "UNet\u009b2J"],
        scheduler: ["diffusers", "\u0007Scheduler"],
        "\u001bnone": [null, null],
      },
      "scheduler/scheduler_config.json": { _class_name: "Scheduler", prediction_type: "\u001b[31mred" },
    });
    expect(await inspect(folder)).toMatchObject({
      className: "My [2JPipeline",
      scheduler: "Scheduler",
      predictionType: "[31mred",
      parts: { unet: { className: "UNet 2J" }, none: null },
    });
    expect(await inspect(join(folder, "scheduler"))).toMatchObject({ predictionType: "[31mred" });
  });

  it("may be of a family that Darkroom does not run", async () => {
    const folder = temporaryFolder({
      "model_index.json": {
        _class_name: "HunyuanImagePipeline",
        scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        vae: ["diffusers", "AutoencoderKL"],
      },
      "scheduler/scheduler_config.json": { _class_name: "FlowMatchEulerDiscreteScheduler" },
    });
    expect(await inspect(folder)).toMatchObject({
      className: "HunyuanImagePipeline",
      family: undefined,
      predictionType: "flow_prediction",
      size: undefined,
      parts: { vae: { problem: expect.stringMatching(/vae does not exist/) } },
    });
  });

  it("is described by a variant if there are no full weights, and says if there are none", async () => {
    const folder = join(temporaryFolder(), "copy");
    cpSync(checkpoint("sdxl-base-mini"), folder, { recursive: true });
    rmSync(join(folder, "unet/diffusion_pytorch_model.safetensors"));
    renameSync(join(folder, "vae/diffusion_pytorch_model.safetensors"), join(folder, "vae/diffusion_pytorch_model.bin"));
    rmSync(join(folder, "vae/diffusion_pytorch_model.fp16.safetensors"));
    expect(await inspect(folder)).toMatchObject({
      parts: {
        unet: { counts: { dtypes: { F16: 292 } }, variants: ["fp16"] },
        vae: { problem: expect.stringMatching(/has weights only as diffusion_pytorch_model\.bin, a pickle/) },
      },
    });
  });

  it("may be a hub id; only the cache is read", async () => {
    const hub = await HubServer.start({ "someone/mini": "sd1-mini" });
    expect(await hubError(inspect("someone/mini"))).toMatchObject({
      problem: "offline",
      hint: expect.stringMatching(/reads the cache only/),
    });
    expect(hub.log).toEqual([]);
    await openCheckpoint("someone/mini");
    await hub.stop();
    expect(await inspect("someone/mini")).toMatchObject({ kind: "checkpoint", name: "someone/mini", className: "StableDiffusionPipeline" });
    await expect(inspect("someone/other")).rejects.toThrow(HubError);
  });
});

describe("a LoRA", () => {
  const layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
  const product = (name: string, rank: number, width: number) => ({
    [`${name}.lora_down.weight`]: [rank, width],
    [`${name}.lora_up.weight`]: [320, rank],
    [`${name}.alpha`]: [],
  });

  it("is described by its names, shapes and metadata", async () => {
    const tags = { "10_fox": { "red fox": 20, "s\u0007nout": 3 }, "5_more": { "red fox": 1, outdoors: 21 } };
    const found = await inspect(
      fileOf(
        { ...product(layer, 8, 768), ...product("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 4, 768) },
        {
          ss_output_name: "fox",
          ss_base_model_version: "sd_v1",
          ss_network_alpha: "4.0",
          ss_tag_frequency: JSON.stringify(tags),
        },
      ),
    );
    expect(found).toMatchObject({
      kind: "lora",
      format: "kohya",
      methods: ["LoRA"],
      layers: { unet: 1, text_encoder: 1 },
      ranks: [4, 8],
      alpha: 4,
      family: "Stable Diffusion 1",
      title: "fox",
      trainedOn: "sd_v1",
      triggerWords: ["red fox", "outdoors", "s nout"],
      counts: { tensors: 6 },
      metadata: { ss_output_name: "fox" },
    });
  });

  it("has its author's trigger words or, without them, the tags of its training", async () => {
    const metadata = {
      "modelspec.title": "Fox",
      "modelspec.trigger_phrase": "fxo fox",
      ss_tag_frequency: '{"a":{"b":1}}',
      ss_output_name: "None",
    };
    expect(await inspect(fileOf(product(layer, 8, 768), metadata))).toMatchObject({ title: "Fox", triggerWords: ["fxo fox"] });
  });

  it.each([
    [768, "Stable Diffusion 1"],
    [1024, "Stable Diffusion 2"],
    [2048, "Stable Diffusion XL"],
  ])("whose UNet reads features %d wide is for %s", async (width, family) => {
    expect(await inspect(fileOf(product(layer, 8, width)))).toMatchObject({ kind: "lora", family, contextWidth: width });
  });

  it.each([
    ["sd1_kohya", { format: "kohya", methods: ["LoRA"] }],
    ["sd1_locon", { format: "kohya", methods: ["LoCon"] }],
    ["sd2_old", { format: "diffusers", methods: ["LoRA"] }],
    ["xl_peft", { format: "peft" }],
    ["xl_sgm", { format: "kohya", methods: ["LoCon"], layers: { unet: 125, text_encoder: 18, text_encoder_2: 18 } }],
    ["sd1_metadata", { format: "peft", alpha: 3, ranks: [2, 4] }],
  ])("may be written as %s is", async (name, expected) => {
    expect(await inspect(loraFile(name))).toMatchObject({ kind: "lora", ...expected });
  });

  it("may have its alpha in PEFT's file beside it", async () => {
    const folder = temporaryFolder({ "adapter_config.json": { lora_alpha: 12, base_model_name_or_path: "someone/base" } });
    cpSync(
      fileOf({ "base_model.model.conv_in.lora_A.weight": [4, 4], "base_model.model.conv_in.lora_B.weight": [320, 4] }),
      join(folder, "adapter_model.safetensors"),
    );
    for (const source of [folder, join(folder, "adapter_model.safetensors")]) {
      expect(await inspect(source)).toMatchObject({ kind: "lora", format: "peft", alpha: 12, trainedOn: "someone/base" });
    }
  });

  it.each([
    ["loha", { methods: ["LoHa"], contextWidth: 32, layers: { unet: 5, text_encoder: 1 }, ranks: [2, 3, 4] }],
    ["lokr", { methods: ["LoKr"], contextWidth: 32, layers: { unet: 7, text_encoder: 1 } }],
    ["dora", { methods: ["DoRA", "LoKr with DoRA", "LoHa with DoRA"] }],
    ["full", { methods: ["full differences"], ranks: [] }],
    ["norms", { methods: ["trained norms", "LoRA"] }],
    ["ia3", { methods: ["IA3"] }],
    ["glora", { methods: ["GLoRA"], ranks: [2, 3] }],
    ["peft_dora/adapter_model", { methods: ["DoRA"], format: "peft", alpha: 2 }],
  ])("may be of another method: %s", async (name, { methods, ...expected }) => {
    const found = await inspect(loraFile(`../../lora-methods/adapters/${name}`));
    expect(found).toMatchObject({ kind: "lora", ...expected });
    expect([...(found as LoraInspection).methods].sort()).toEqual([...methods].sort());
  });

  it.each([
    ["LoHa", { hada_w1_a: [320, 8], hada_w1_b: [8, 2048], hada_w2_a: [320, 8], hada_w2_b: [8, 2048] }],
    ["LoKr", { lokr_w1: [16, 32], lokr_w2_a: [20, 4], lokr_w2_b: [4, 64] }],
    ["full differences", { diff: [320, 2048] }],
  ])("is for Stable Diffusion XL with any method: %s", async (method, factors) => {
    const tensors = Object.fromEntries(Object.entries(factors).map(([end, shape]) => [`${layer}.${end}`, shape]));
    expect(await inspect(fileOf(tensors))).toMatchObject({ kind: "lora", methods: [method], family: "Stable Diffusion XL" });
  });

  it("may hold embeddings, and their words are listed", async () => {
    const tensors = { ...product(layer, 8, 768), "bundle_emb.my-fox.string_to_param.*": [2, 768], "bundle_emb.snout.emb_params": [1, 768] };
    expect(await inspect(fileOf(tensors))).toMatchObject({ methods: ["LoRA", "bundled embeddings"], embeddings: ["my-fox", "snout"] });
  });

  it("may be an adapter that Darkroom does not apply, or for a family that it does not run", async () => {
    expect(await inspect(fileOf({ [`${layer}.oft_blocks`]: [4, 80, 80] }))).toMatchObject({ kind: "lora", methods: ["OFT"] });
    const flux = product("lora_unet_double_blocks_0_img_attn_proj", 16, 3072);
    expect(await inspect(fileOf(flux))).toMatchObject({
      kind: "lora",
      family: "FLUX.1 or FLUX.2",
      layers: { transformer: 1 },
      ranks: [16],
    });
  });

  it("is described without its records if they are not JSON", async () => {
    expect(await inspect(fileOf(product(layer, 8, 768), { ss_tag_frequency: "{", ss_network_alpha: "None" }))).toMatchObject({
      kind: "lora",
      alpha: undefined,
      triggerWords: [],
    });
  });
});

describe("a textual inversion", () => {
  it.each([
    [{ "<cat>": [2, 768] }, { layout: "diffusers", token: "<cat>", vectors: 2, widths: [768], family: "Stable Diffusion 1" }],
    [{ emb_params: [75, 1024] }, { layout: "a1111", token: undefined, vectors: 75, widths: [1024], family: "Stable Diffusion 2" }],
    [
      { clip_l: [3, 768], clip_g: [3, 1280] },
      { layout: "xl", vectors: 3, widths: [768, 1280], family: "Stable Diffusion XL" },
    ],
  ])("may hold %j", async (shapes, expected) => {
    expect(await inspect(fileOf(shapes as Record<string, number[]>))).toMatchObject({ kind: "textual-inversion", ...expected });
  });
});

describe("a file of another kind", () => {
  it.each([
    ["double_blocks.0.img_attn.norm.key_norm.scale", "Flux"],
    ["model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias", "Stable Diffusion 3"],
    ["lora_controlnet", "Control-LoRA"],
    ["cond_stage_model.transformer.attn_layers.layers.0.0.0.weight", "latent diffusion before Stable Diffusion"],
    ["first_stage_model.quantize.embedding.weight", "latent diffusion before Stable Diffusion"],
  ])("has its family: %s", async (name, family) => {
    expect(await inspect(fileOf({ [name]: [1], "another.weight": [2] }))).toMatchObject({
      kind: "foreign",
      family,
      counts: { parameters: 3 },
    });
  });

  it("may be a latent diffusion without text, although its autoencoder is Stable Diffusion's", async () => {
    const text = /attn2|^cond_stage_model\./;
    const shapes = Object.fromEntries(Object.entries(FULL_SIZE.sd15?.() ?? {}).filter(([name]) => !text.test(name)));
    expect(await inspect(sparseFile(shapes))).toMatchObject({ kind: "foreign", family: "latent diffusion without text" });
  });

  it.each([
    ["decoder.conv_in.weight", [320, 320]],
    ["weight", [768]],
    ["table", [2000, 8]],
  ])("is not a textual inversion only because it holds one tensor: %s %j", async (name, shape) => {
    expect(await inspect(fileOf({ [name]: shape }))).toMatchObject({ kind: "unknown", names: [name] });
  });

  it("may be a UNet for which there is no pipeline", async () => {
    const shapes = { ...FULL_SIZE.sd15?.(), "model.diffusion_model.input_blocks.0.0.weight": [320, 7, 3, 3] };
    expect(await inspect(sparseFile(shapes))).toMatchObject({
      kind: "foreign",
      family: expect.stringMatching(/7 channels, as that of an upscaler/),
    });
  });

  it("may be a UNet that reads no text", async () => {
    const path = join(checkpoint("ddpm-mini"), "unet/diffusion_pytorch_model.safetensors");
    expect(await inspect(path)).toMatchObject({ kind: "unknown" });
  });

  it("has its tensors counted if nothing else is known", async () => {
    const shapes = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`layer.${i}`, [2, i]]));
    expect(await inspect(fileOf(shapes, { format: "pt" }))).toEqual({
      kind: "unknown",
      name: expect.any(String),
      counts: { tensors: 7, parameters: 42, bytes: 168, dtypes: { F32: 7 } },
      metadata: { format: "pt" },
      names: ["layer.0", "layer.1", "layer.2", "layer.3", "layer.4"],
    });
  });
});

describe("inspect", () => {
  it("reads only the header of a file of any size", async () => {
    const path = sparseFile(FULL_SIZE["sdxl-base"]?.() ?? {});
    const disk = openFolder(dirname(path));
    let read = 0;
    const watched: Folder = {
      name: disk.name,
      check: () => disk.check(),
      list: () => disk.list(),
      has: (file) => disk.has(file),
      size: (file) => disk.size(file),
      file: (file) => disk.file(file),
      open: (subfolder) => disk.open(subfolder),
      read: async (...range) => {
        const bytes = await disk.read(...range);
        read += bytes.length;
        return bytes;
      },
    };
    expect(await inspect(watched)).toMatchObject({ kind: "checkpoint" });
    expect(read).toBeLessThan(1_000_000);
  });

  it("describes the only file of a folder, and asks for one of several", async () => {
    const folder = temporaryFolder();
    cpSync(fileOf({ emb_params: [1, 768] }), join(folder, "a.safetensors"));
    expect(await inspect(folder)).toMatchObject({ kind: "textual-inversion" });
    cpSync(fileOf({ emb_params: [1, 768] }), join(folder, "b.safetensors"));
    expect((await checkpointError(inspect(folder))).message).toMatch(/holds 2 files: a\.safetensors, b\.safetensors/);
  });

  it.each([
    ["a path where nothing is", "no-such-folder", /no-such-folder does not exist/],
    ["a file where nothing is", "no-such.safetensors", /no-such\.safetensors does not exist/],
    ["a pickle", "model.ckpt", /model\.ckpt is a pickle/],
    ["a file of another format", "package.json", /package\.json: its header claims|package\.json: not a safetensors file/],
    ["a folder without anything", "docs", /docs has no model_index\.json/],
  ])("refuses %s", async (_, path, message) => {
    expect((await checkpointError(inspect(path))).message).toMatch(message);
  });
});

describe("an IP-Adapter", () => {
  const keys = (width: number) => ({ "ip_adapter.1.to_k_ip.weight": [4, width] });
  const named = (shapes: Readonly<Record<string, readonly number[]>>, width: number) =>
    fileOf({ ...keys(width), ...Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`image_proj.${name}`, shape])) });

  it.each([
    ["plain", 768, "Stable Diffusion 1", { "proj.weight": [8, 4], "norm.weight": [4] }],
    ["plus", 2048, "Stable Diffusion XL", { latents: [1, 2, 4], "proj_in.weight": [4, 4] }],
    ["full face", 1024, "Stable Diffusion 2", { "proj.0.weight": [4, 4], "proj.3.weight": [4] }],
    ["FaceID", 768, "Stable Diffusion 1", { "proj.0.weight": [4, 4], "norm.weight": [4] }],
    [
      "FaceID Plus",
      2048,
      "Stable Diffusion XL",
      { "proj.0.weight": [4, 4], "norm.weight": [4], "perceiver_resampler.proj_in.weight": [4, 4] },
    ],
    [undefined, 32, undefined, { "other.weight": [4, 4] }],
  ])("is described with its kind and family: %s, %s wide", async (projection, width, family, shapes) => {
    expect(await inspect(named(shapes, width))).toMatchObject({ kind: "ip-adapter", family, projection });
  });
});
