import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/checkpoint/config.js";
import { readModelIndex } from "../../../src/checkpoint/model-index.js";
import { openWeights } from "../../../src/checkpoint/weights.js";
import { ArgumentError, type CheckpointError, ConfigError } from "../../../src/errors.js";
import { openCheckpoint } from "../../../src/hub/open-checkpoint.js";
import { ControlNetModel } from "../../../src/models/controlnet.js";
import { UNet2DConditionModel } from "../../../src/models/unet-2d-condition.js";
import { DiffusionPipeline } from "../../../src/pipelines/diffusion-pipeline.js";
import { StableDiffusionPipeline } from "../../../src/pipelines/stable-diffusion.js";
import type { Folder } from "../../../src/platform/folder.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { changedCheckpoint, type Tensors } from "../../helpers/checkpoints.js";
import { checkpointError } from "../../helpers/errors.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { sparseFile, vae } from "../../helpers/full-size-files.js";
import { originalTensors, type SingleFileChanges, singleFile } from "../../helpers/single-files.js";
import { temporaryFolder } from "../../helpers/temporary.js";
import { collectWarnings } from "../../helpers/warnings.js";

const NOTHING = Tensor.from([], [0]);

const withTensors = (added: Tensors): SingleFileChanges => ({ tensors: (own) => ({ ...own, ...added }) });
const without = (pattern: RegExp): SingleFileChanges => ({
  tensors: (own) => Object.fromEntries(Object.entries(own).filter(([name]) => !pattern.test(name))),
});
const renaming = (pattern: RegExp, to: string): SingleFileChanges => ({
  tensors: (own) => Object.fromEntries(Object.entries(own).map(([name, tensor]) => [name.replace(pattern, to), tensor])),
});

async function scheduler(name: string, changes: SingleFileChanges): Promise<unknown> {
  const folder = await openCheckpoint(singleFile(name, changes));
  return readConfig(folder.open("scheduler"), "scheduler_config.json");
}

describe("what a file's UNet predicts", () => {
  const velocity = { predictionType: "v_prediction" };
  const noise = { predictionType: "epsilon" };

  it.each([
    ["noise in XL's files", "sdxl-base-mini", {}, { ...noise, _className: "EulerDiscreteScheduler" }],
    ["velocity where a tensor v_pred is", "sdxl-base-mini", { v_pred: NOTHING }, { ...velocity, timestepSpacing: "leading" }],
    [
      "velocity over noise to its full strength with ztsnr",
      "sdxl-base-mini",
      { v_pred: NOTHING, ztsnr: NOTHING },
      { ...velocity, rescaleBetasZeroSnr: true },
    ],
    [
      "Playground 2.5's picture",
      "sdxl-base-mini",
      { edm_mean: Tensor.zeros([1, 4, 1, 1]), edm_std: Tensor.zeros([1, 4, 1, 1]) },
      { ...noise, _className: "EDMDPMSolverMultistepScheduler", sigmaMax: 80, sigmaMin: 0.002, sigmaData: 0.5 },
    ],
    [
      "CosXL's velocity",
      "sdxl-base-mini",
      { "edm_vpred.sigma_max": Tensor.from([120]), "edm_vpred.sigma_min": Tensor.from([0.002]) },
      { ...velocity, _className: "EDMEulerScheduler", sigmaMax: 120, sigmaData: 1 },
    ],
    [
      "velocity between the noise levels that a file like CosXL's says",
      "sdxl-base-mini",
      { "edm_vpred.sigma_max": Tensor.from([80]), "edm_vpred.sigma_min": Tensor.from([0.25]) },
      { ...velocity, _className: "EDMEulerScheduler", sigmaMax: 80, sigmaMin: 0.25, sigmaData: 1 },
    ],
    ["noise, of which Stable Diffusion 1's config says nothing", "sd1-mini", {}, { _className: "PNDMScheduler", clipSample: false }],
    [
      "velocity in a Stable Diffusion 1 that was trained for it",
      "sd1-mini",
      { v_pred: NOTHING, ztsnr: NOTHING },
      { ...velocity, _className: "DDIMScheduler", rescaleBetasZeroSnr: true },
    ],
    [
      "noise in the base model of Stable Diffusion 2",
      "sd2-mini",
      { global_step: new Tensor("int64", [], BigInt64Array.of(875_000n)) },
      noise,
    ],
    ["velocity in its larger model", "sd2-mini", { global_step: new Tensor("int64", [], BigInt64Array.of(110_000n)) }, velocity],
  ])("is %s", async (_, name, tensors, expected) => {
    expect(await scheduler(name, withTensors(tensors))).toMatchObject(expected);
  });

  it.each([
    ["sdxl-base-mini", { "modelspec.prediction_type": "v" }, velocity],
    ["sd2-mini", { "modelspec.prediction_type": "epsilon" }, noise],
    ["sd2-mini", { "modelspec.architecture": "stable-diffusion-v2-512" }, noise],
    ["sd2-mini", { "modelspec.architecture": "stable-diffusion-v2-768-v" }, velocity],
  ])("is what the metadata say, in %s with %j", async (name, metadata, expected) => {
    expect(await scheduler(name, { metadata })).toMatchObject(expected);
  });

  it("is the usual type if the metadata name an unknown one, with a warning", async () => {
    const heard = collectWarnings();
    expect(await scheduler("sdxl-base-mini", { metadata: { "modelspec.prediction_type": "flow" } })).toMatchObject(noise);
    expect(heard).toEqual([expect.stringMatching(/modelspec\.prediction_type flow is unknown and ignored; predictionType sets the type/)]);
  });

  it("is assumed to be velocity in Stable Diffusion 2, as in diffusers, with a warning", async () => {
    const heard = collectWarnings();
    expect(await scheduler("sd2-mini", {})).toMatchObject(velocity);
    expect(heard).toEqual([expect.stringMatching(/does not say whether it predicts noise or velocity/)]);
  });

  it("is assumed without a warning if a scheduler or configs are given, or only configs are read", async () => {
    const heard = collectWarnings();
    await openCheckpoint(singleFile("sd2-mini"), { wanted: { kind: "pipeline", without: ["scheduler"] } });
    await openCheckpoint(singleFile("sd2-mini"), { wanted: { kind: "configs" } });
    await openCheckpoint(singleFile("sd2-mini"), { config: checkpoint("sd2-mini") });
    expect(heard).toEqual([]);
  });

  it.each([
    ["edm_mean", "edm_std"],
    ["edm_std", "edm_mean"],
  ])("is not Playground 2.5 with %s alone, with a warning", async (found, missing) => {
    const warnings = collectWarnings();
    const folder = await openCheckpoint(
      singleFile("sdxl-base-mini", { tensors: (all) => ({ ...all, [found]: Tensor.zeros([1, 4, 1, 1]) }) }),
    );
    expect((await readConfig(folder.open("scheduler"), "scheduler_config.json"))._className).toBe("EulerDiscreteScheduler");
    expect(warnings).toEqual([expect.stringContaining(`has ${found} but not ${missing}; ${found} alone is ignored`)]);
  });

  it("sets the statistics of latents in Playground 2.5's autoencoder", async () => {
    const edm = { edm_mean: [1, 4, 1, 1], edm_std: [1, 4, 1, 1] };
    const unet = { "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3] };
    const others = {
      "model.diffusion_model.output_blocks.0.0.in_layers.2.weight": [1280, 2560, 3, 3],
      "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 768],
      "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight": [77, 768],
      "conditioner.embedders.1.model.positional_embedding": [77, 1280],
    };
    const folder = await openCheckpoint(sparseFile({ ...vae(), ...unet, ...others, ...edm }));
    expect(await readConfig(folder.open("vae"), "config.json")).toMatchObject({
      scalingFactor: 0.5,
      latentsMean: [-1.6574, 1.886, -1.383, 2.5155],
      latentsStd: [8.4927, 5.9022, 6.5498, 5.2299],
    });
  });
});

describe("a single file may", () => {
  const opens = async (name: string, changes: SingleFileChanges): Promise<Folder> =>
    openCheckpoint(singleFile(name, changes), { config: checkpoint(name) });
  const sizes = async (folder: Folder) =>
    Promise.all(["unet", "vae", "text_encoder"].map(async (part) => (await openWeights(folder.open(part))).names().sort()));

  it("hold tensors that no network reads", async () => {
    const extra = {
      "model_ema.decay": Tensor.from([1]),
      "model_ema.diffusion_modelinput_blocks00weight": Tensor.from([1]),
      alphas_cumprod: Tensor.zeros([1000]),
      betas: Tensor.zeros([1000]),
      "cond_stage_model.logit_scale": Tensor.from([1]),
      "cond_stage_model.transformer.text_model.embeddings.position_ids": new Tensor("int64", [1], BigInt64Array.of(0n)),
      "cond_stage_model.transformer.vision_model.embeddings.class_embedding": Tensor.from([1]),
      "denoiser.sigmas": Tensor.zeros([1000]),
      "first_stage_model.loss.logvar": Tensor.from([1]),
      "optimizer.state.0": Tensor.from([1]),
      "embedding_manager.string_to_param": Tensor.from([1]),
      sd_merge_models: Tensor.from([1]),
    };
    const expected = await sizes(await opens("sd1-inpaint-mini", {}));
    expect(await sizes(await opens("sd1-inpaint-mini", withTensors(extra)))).toEqual(expected);
  });

  it.each([
    ["leave text_model. out of the text encoder's names", /^cond_stage_model\.transformer\.text_model\./, "cond_stage_model.transformer."],
    ["call the autoencoder vae.", /^first_stage_model\./, "vae."],
    ["call the UNet diffusion_model.", /^model\.diffusion_model\./, "diffusion_model."],
  ])("%s", async (_, pattern, to) => {
    const expected = await sizes(await opens("sd1-mini", {}));
    expect(await sizes(await opens("sd1-mini", renaming(pattern, to)))).toEqual(expected);
  });

  it("hold a UNet alone, with or without its prefix", async () => {
    const config = checkpoint("sd1-mini");
    for (const prefix of ["model.diffusion_model.", ""]) {
      const tensors = (own: Tensors): Tensors =>
        Object.fromEntries(
          Object.entries(own).flatMap(([name, tensor]) =>
            name.startsWith("model.") ? [[name.replace("model.diffusion_model.", prefix), tensor]] : [],
          ),
        );
      await using unet = await UNet2DConditionModel.fromSingleFile(singleFile("sd1-mini", { tensors }), { device: "cpu", config });
      expect(unet.weights.has("up_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k.weight")).toBe(true);
    }
  });

  it.each(["vae-swap-mini", "controlnet-mini", "sd1-mini/unet"])("hold one network under diffusers' names: %s", async (name) => {
    const path = join(temporaryFolder(), "network.safetensors");
    cpSync(join(checkpoint(name), "diffusion_pytorch_model.safetensors"), path);
    const root = await openCheckpoint(path, { config: checkpoint(name) });
    const folder = (await root.has("config.json")) ? root : root.open("unet");
    const expected = await openWeights(await openCheckpoint(checkpoint(name)));
    expect((await openWeights(folder)).names().sort()).toEqual(expected.names().sort());
  });

  it("hold a ControlNet beside a whole checkpoint", async () => {
    const net = Object.fromEntries(
      Object.entries(originalTensors("controlnet-mini")).map(([name, tensor]) => [`control_model.${name}`, tensor]),
    );
    const path = singleFile("sd1-mini", withTensors(net));
    await using control = await ControlNetModel.fromSingleFile(path, { device: "cpu", config: checkpoint("controlnet-mini") });
    expect(control.config.conditioningEmbeddingOutChannels).toEqual([8, 16]);
    expect((await readModelIndex(await openCheckpoint(path))).className).toBe("StableDiffusionPipeline");
  });

  it("take its configs from a folder with a safety checker, and not the safety checker", async () => {
    const config = changedCheckpoint("sd1-mini", "model_index.json", {
      safety_checker: ["stable_diffusion", "StableDiffusionSafetyChecker"],
      feature_extractor: ["transformers", "CLIPImageProcessor"],
    });
    await using pipe = await StableDiffusionPipeline.fromSingleFile(singleFile("sd1-mini"), { device: "cpu", config });
    expect(pipe.safetyChecker).toBeNull();
  });

  it("use a part of the folder of configs that it lacks", async () => {
    const path = singleFile("sd1-mini", without(/^first_stage_model\./));
    await using pipe = await StableDiffusionPipeline.fromSingleFile(path, { device: "cpu", config: checkpoint("sd1-mini") });
    expect(pipe.vae.config.scalingFactor).toBe(0.18215);
  });
});

describe("a single file is refused", () => {
  const failure = (path: string, options = {}): Promise<CheckpointError> =>
    checkpointError(DiffusionPipeline.fromSingleFile(path, options));
  const fileOf = (...names: string[]) => sparseFile(Object.fromEntries(names.map((name) => [name, [1]])));

  it.each([
    ["joint_blocks.0.context_block.adaLN_modulation.1.bias", "Stable Diffusion 3"],
    ["model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale", "Flux"],
    ["model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight", "Stable Video Diffusion"],
    ["down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe", "AnimateDiff"],
    ["clip_txt_mapper.weight", "Stable Cascade"],
    ["model.diffusion_model.patchify_proj.weight", "LTX-Video"],
    ["txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias", "HunyuanVideo"],
    ["model.diffusion_model.label_emb.weight", "the Stable Diffusion x4 upscaler"],
    ["noise_augmentor.data_mean", "Stable Diffusion 2 unCLIP"],
    ["lora_controlnet", "Control-LoRA"],
    ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight", "ControlNet-LLLite"],
  ])("that holds %s, as %s", async (name, kind) => {
    const unet = [
      "model.diffusion_model.input_blocks.0.0.weight",
      "model.diffusion_model.output_blocks.0.0.in_layers.2.weight",
      "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    ];
    const error = await DiffusionPipeline.fromSingleFile(fileOf(name, ...unet)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain(`a family that Darkroom does not run: ${kind}`);
  });

  it("if no pipeline feeds its UNet's number of channels", async () => {
    const channels = (count: number) => ({
      "model.diffusion_model.input_blocks.0.0.weight": [320, count, 3, 3],
      "model.diffusion_model.output_blocks.0.0.in_layers.2.weight": [1280, 2560, 3, 3],
      "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 768],
    });
    const error = await DiffusionPipeline.fromSingleFile(sparseFile(channels(6))).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(/has a UNet of 6 channels; expected 4 or 8 or 9/);
  });

  it("that is a LoRA", async () => {
    expect((await failure("test/fixtures/lora/adapters/sd1_kohya.safetensors")).message).toMatch(/sd1_kohya\.safetensors is a LoRA/);
  });

  it("that is an embedding", async () => {
    expect((await failure(fileOf("emb_params"))).message).toMatch(/is a textual inversion, not a checkpoint/);
  });

  it("that holds something else, with names of its tensors", async () => {
    expect((await failure(fileOf("a", "b.c", "d", "e"))).message).toMatch(
      /holds no network that Darkroom knows: it has 4 tensors, called a, b\.c, d, \.\.\.$/,
    );
  });

  it("that is an autoencoder if a checkpoint is expected", async () => {
    const error = await failure(sparseFile(vae("")));
    expect(error.message).toMatch(/model\.safetensors holds one network \(AutoencoderKL\), not a whole checkpoint/);
    expect(error.hint).toMatch(/opened by AutoencoderKL\.fromSingleFile/);
  });

  it.each([
    [
      "vae",
      /^first_stage_model\./,
      /has no autoencoder: no tensor's name begins with first_stage_model\.$/m,
      /fromSingleFile\(path, \{ vae: /,
    ],
    ["text_encoder", /^cond_stage_model\./, /has no text encoder: /, /textEncoder: /],
  ])("without its %s if that is opened", async (part, pattern, message, hint) => {
    const folder = await openCheckpoint(singleFile("sd1-inpaint-mini", without(pattern)));
    const error = await checkpointError(openWeights(folder.open(part)));
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  it.each([
    ["sd1-mini", "model.diffusion_model.output_blocks.1.1.conv.weight"],
    ["sd1-mini", "first_stage_model.decoder.mid.attn_1.proj_out.weight"],
    ["sd2-mini", "cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight"],
    ["sdxl-base-mini", "conditioner.embedders.1.model.text_projection"],
    ["sdxl-base-mini", "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight"],
  ])("that is %s without %s, with the tensor's name", async (name, tensor) => {
    const path = singleFile(name, { tensors: ({ [tensor]: _, ...others }) => others });
    await using pipe = await DiffusionPipeline.fromSingleFile(path, { device: "cpu", config: checkpoint(name) });
    const error = await checkpointError(pipe.generate({ prompt: "a fox", numInferenceSteps: 1 }));
    expect(error.message).toContain(`: tensor ${tensor} is missing`);
  });

  it("if its shapes do not show its heads and groups, with the way out", async () => {
    const error = await failure(singleFile("sdxl-base-mini"));
    expect(error.message).toMatch(/channels/);
    expect(error.hint).toMatch(/as config/);
  });

  it.each(["model.ckpt", "model.pt", "https://huggingface.co/owner/name/blob/main/model.ckpt"])("that is the pickle %s", async (name) => {
    const error = await failure(name);
    expect(error.message).toBe(`${name} is a pickle, which can run any code when it is loaded; Darkroom reads only safetensors`);
    expect(error.hint).toMatch(/from_single_file\(file\)\.save_pretrained/);
  });

  it("that does not exist", async () => {
    expect((await failure("no-such.safetensors")).message).toBe("no-such.safetensors does not exist");
  });

  it.each([
    ["GGUF\x03\0\0\0 and more of it", /its header goes on after the end of the file|has a length/],
    ["<!doctype html><html></html>", /it is a web page/],
  ])("that holds %j", async (content, message) => {
    const path = join(temporaryFolder(), "model.safetensors");
    writeFileSync(path, content);
    expect((await failure(path)).message).toMatch(message);
  });

  it("with configs that are not in a folder, as is a folder with configs", async () => {
    expect((await failure(singleFile("sd1-mini"), { config: "/no/such/folder" })).message).toMatch(/no\/such\/folder does not exist/);
    const error = await DiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { config: checkpoint("sd1-mini") }).catch(
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(ArgumentError);
    expect(String(error)).toMatch(/config was given, but .*sd1-mini is (no|not a) single file/);
    const opened = openCheckpoint(await openCheckpoint(singleFile("sd1-mini")), { config: checkpoint("sd1-mini") });
    await expect(opened).rejects.toThrow(/config was given, but .*sd1-mini\.safetensors is (no|not a) single file/);
  });

  it("with the config of a network that it does not hold", async () => {
    const error = await checkpointError(ControlNetModel.fromSingleFile(singleFile("sd1-mini"), { config: checkpoint("controlnet-mini") }));
    expect(error.message).toMatch(/has no ControlNet: no tensor's name begins with control_model\.$/);
  });
});
