import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { LatentFamily, PublishedCheckpoint } from "../../src/families/family.js";
import {
  DEFAULT_FAMILY,
  describeTextEncoder,
  EDM_CHECKPOINTS,
  edmCheckpointOf,
  FAMILIES,
  familiesByIndex,
  familiesByPipeline,
  familyByArchitecture,
  familyByContextWidth,
  familyByEmbedding,
  familyByLoraTensor,
  familyBySizeNumbers,
  familyByTextEncoders,
  LATENT_FAMILIES,
  mostSimilar,
  otherFamily,
  otherFamilyByLoraTensor,
  partFolders,
  predictionsOf,
  publishedByArchitecture,
} from "../../src/families/lookups.js";
import * as darkroom from "../../src/index.js";
import { resolveScheduler } from "../../src/schedulers/registry.js";

const GUIDE = readFileSync(new URL("../../docs/single-files.md", import.meta.url), "utf8");
const names = (families: readonly { readonly name: string }[]) => families.map(({ name }) => name);
const published = LATENT_FAMILIES.flatMap((family) => family.published.map((checkpoint) => [family, checkpoint] as const));

describe("every family", () => {
  it("has a name and an id of its own", () => {
    expect(new Set(names(FAMILIES)).size).toBe(FAMILIES.length);
    expect(new Set(FAMILIES.map(({ id }) => id)).size).toBe(FAMILIES.length);
  });

  it.each(FAMILIES.flatMap(({ workflows }) => Object.values(workflows).map(({ className }) => className)))(
    "has a pipeline: %s",
    (className) => {
      expect(darkroom).toHaveProperty(className);
    },
  );

  it("has guidance, strength and a weight of control in the workflows that use them, and in no others", () => {
    for (const { id, takesPrompt, workflows } of FAMILIES) {
      for (const [start, { defaults }] of Object.entries(workflows)) {
        expect([start, "guidance" in defaults, "strength" in defaults, "control" in defaults]).toEqual([
          start,
          takesPrompt,
          /(image|mask)$/.test(start) && !/pix2pix|upscaler|klein|kontext/.test(id),
          /^(controlnet|union|adapter)-/.test(start),
        ]);
      }
    }
  });

  it("has pipelines only of classes that belong to its workflows, or to a family that sees the picture beside its latents", () => {
    const edits = FAMILIES.filter(({ id }) => /pix2pix|depth/.test(id)).flatMap(({ workflows }) => Object.values(workflows));
    for (const { denoiser, workflows, classPrefix } of LATENT_FAMILIES) {
      const classes = [...Object.values(workflows), ...edits].map(({ className }) => className);
      expect(classes).toEqual(expect.arrayContaining(Object.values(denoiser.pipelines)));
      const own = [...Object.values(workflows).map(({ className }) => className), ...Object.values(denoiser.pipelines)];
      expect(own.every((className) => className.startsWith(classPrefix) || className.startsWith("AnimateDiff"))).toBe(true);
    }
  });

  it("has a folder for its denoiser and each of its text encoders", () => {
    for (const { denoiser, textEncoders, parts } of LATENT_FAMILIES) {
      for (const part of [denoiser.part, ...textEncoders.map((encoder) => encoder.part)]) expect(parts[part]).toBeTruthy();
    }
  });

  it("has published checkpoints for all channels that its pipelines take", () => {
    for (const { denoiser, published: own } of LATENT_FAMILIES) {
      expect(new Set(own.map(({ inChannels }) => String(inChannels)))).toEqual(new Set(Object.keys(denoiser.pipelines)));
    }
  });

  it("has own options only in workflows that it has", () => {
    for (const { workflows, ownOptions = {} } of FAMILIES) {
      for (const starts of Object.values(ownOptions)) expect(Object.keys(workflows)).toEqual(expect.arrayContaining([...starts]));
    }
  });

  it("can only be refined by families that exist", () => {
    for (const { refinement } of LATENT_FAMILIES) {
      for (const id of refinement?.families ?? []) expect(FAMILIES.map((family) => family.id)).toContain(id);
    }
  });
});

describe("every published checkpoint", () => {
  it.each([...published.map(([, checkpoint]) => checkpoint), ...EDM_CHECKPOINTS].map((each) => [each.repository, each.scheduler] as const))(
    "has a scheduler that exists and takes its config: %s",
    (_, { _class_name: className, ...config }) => {
      const { class: scheduler } = resolveScheduler(className);
      expect(scheduler.name).toBe(className);
      expect(() => scheduler.fromConfig(darkroomConfig(config))).not.toThrow();
    },
  );

  it.each([...published.map(([, checkpoint]) => checkpoint), ...EDM_CHECKPOINTS].map(({ repository }) => repository))(
    "is in the guide to single files: %s",
    (repository) => {
      expect(GUIDE).toMatch(new RegExp(`[| ]${repository}[,\\s]`));
    },
  );

  it.each(published.map(([family, each]) => [each.repository, each.sampleSize, family, each] as const))(
    "is the most similar one to a file like itself: %s at %i pixels",
    (_repository, _size, family, each) => {
      expect(mostSimilar(family, { isConsistency: false, ...each })).toBe(each);
    },
  );
});

/** A config with the names that schedulers have here. */
function darkroomConfig(config: PublishedCheckpoint["scheduler"] | object): object {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()), value]),
  );
}

describe("a family is found", () => {
  const own = (find: (family: LatentFamily) => unknown) => LATENT_FAMILIES.map((family) => [family.name, find(family), family] as const);

  it.each(own(({ denoiser }) => familyByContextWidth(denoiser.context.width)))(
    "by the width of its text features: %s",
    (_, found, family) => {
      expect(found).toBe(family);
    },
  );

  it.each(own(({ architecture }) => familyByArchitecture(`${architecture}/lora`)))("by its name in ModelSpec: %s", (_, found, family) => {
    expect(found).toBe(family);
  });

  it.each(own(({ textEncoders }) => familyByTextEncoders(textEncoders)))("by its text encoders: %s", (_, found, family) => {
    expect(found).toBe(family);
  });

  it.each([
    [768, "Stable Diffusion 1"],
    [1024, "Stable Diffusion 2"],
    [2048, "Stable Diffusion XL"],
    [1280, "Stable Diffusion XL's refiner"],
    [32, undefined],
    [undefined, undefined],
  ])("by text features %s wide: %s", (width, name) => {
    expect(familyByContextWidth(width)?.name).toBe(name);
  });

  it.each([
    ["stable-diffusion-v1", "Stable Diffusion 1"],
    ["stable-diffusion-v2-768-v", "Stable Diffusion 2"],
    ["stable-diffusion-xl-v1-base", "Stable Diffusion XL"],
    ["stable-diffusion-xl-v1-refiner", "Stable Diffusion XL's refiner"],
    ["flux-1-dev", undefined],
    ["", undefined],
  ])("by ModelSpec's %s: %s", (architecture, name) => {
    expect(familyByArchitecture(architecture)?.name).toBe(name);
  });

  it.each([
    [6, "Stable Diffusion XL"],
    [8, "Stable Diffusion XL"],
    [5, "Stable Diffusion XL's refiner"],
    [5.9, "Stable Diffusion XL's refiner"],
    [0, "Stable Diffusion XL's refiner"],
    [Number.POSITIVE_INFINITY, "Stable Diffusion XL"],
  ])("by %d sizes and crops: %s", (numbers, name) => {
    expect(familyBySizeNumbers(numbers)?.name).toBe(name);
  });

  it.each([
    ["one table", [768], "Stable Diffusion 1"],
    ["one table", [1024], "Stable Diffusion 2"],
    ["one table", [1280], undefined],
    ["one table", [2048], undefined],
    ["table per encoder", [768, 1280], "Stable Diffusion XL"],
    ["table per encoder", [1280], "Stable Diffusion XL"],
  ] as const)("by an embedding with %s of width %s: %s", (layout, widths, name) => {
    expect(familyByEmbedding(layout, widths)?.name).toBe(name);
  });

  it.each([
    ["lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", "Stable Diffusion XL"],
    ["text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", "Stable Diffusion XL"],
    ["text_encoders.clip_g.transformer.weight", "Stable Diffusion XL"],
    ["lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", undefined],
    ["lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", undefined],
  ])("by a LoRA's tensor %s: %s", (tensor, name) => {
    expect(familyByLoraTensor(tensor)?.name).toBe(name);
  });

  it.each([
    ["StableDiffusionPipeline", false, ["Stable Diffusion 1", "Stable Diffusion 2"]],
    ["StableDiffusionUpscalePipeline", false, ["Stable Diffusion 1", "Stable Diffusion 2"]],
    ["StableDiffusionXLPipeline", false, ["Stable Diffusion XL"]],
    ["StableDiffusionXLControlNetPipeline", false, ["Stable Diffusion XL"]],
    ["StableDiffusionXLImg2ImgPipeline", true, ["Stable Diffusion XL's refiner"]],
    ["DDPMPipeline", false, []],
    ["FluxPipeline", false, []],
  ])("by the class %s in model_index.json, with an aesthetic score: %s", (className, requiresAestheticsScore, expected) => {
    expect(names(familiesByIndex(className, requiresAestheticsScore))).toEqual(expected);
  });

  it.each([
    ["StableDiffusionControlNetPipeline", ["Stable Diffusion 1", "Stable Diffusion 2"]],
    ["StableDiffusionXLPipeline", ["Stable Diffusion XL"]],
    ["StableDiffusionXLImg2ImgPipeline", ["Stable Diffusion XL", "Stable Diffusion XL's refiner"]],
    ["DDPMPipeline", ["DDPM"]],
    ["DDIMPipeline", ["DDIM"]],
    ["StableDiffusionXLControlNetInpaintPipeline", ["Stable Diffusion XL"]],
    ["StableDiffusionControlNetImg2ImgPipeline", ["Stable Diffusion 1", "Stable Diffusion 2"]],
    ["FluxControlNetPipeline", []],
  ])("by its pipeline %s: %s", (className, expected) => {
    expect(names(familiesByPipeline(className))).toEqual(expected);
  });
});

describe("a checkpoint is found", () => {
  const xl = familyByContextWidth(2048) ?? DEFAULT_FAMILY;
  const sd2 = familyByContextWidth(1024) ?? DEFAULT_FAMILY;

  it.each([
    ["stable-diffusion-v2-768-v", "stabilityai/stable-diffusion-2-1"],
    ["stable-diffusion-v2-512", "stabilityai/stable-diffusion-2-1-base"],
    ["stable-diffusion-v2", undefined],
    ["stable-diffusion-v1", undefined],
  ])("by ModelSpec's %s: %s", (architecture, repository) => {
    expect(publishedByArchitecture(architecture)?.repository).toBe(repository);
  });

  it.each([
    [DEFAULT_FAMILY, 4, false, "v_prediction", "stable-diffusion-v1-5/stable-diffusion-v1-5"],
    [DEFAULT_FAMILY, 9, true, "epsilon", "SimianLuo/LCM_Dreamshaper_v7"],
    [sd2, 4, false, "sample", "stabilityai/stable-diffusion-2-1-base"],
    [sd2, 9, false, "v_prediction", "stabilityai/stable-diffusion-2-inpainting"],
    [xl, 9, true, "epsilon", "latent-consistency/lcm-sdxl"],
  ] as const)("that is not like any published one: the nearest (%#)", (family, inChannels, isConsistency, prediction, repository) => {
    expect(mostSimilar(family, { inChannels, isConsistency, prediction }).repository).toBe(repository);
  });

  it("by its prediction in Stable Diffusion 2, which has two; velocity is assumed", () => {
    expect(predictionsOf(sd2, 4)).toEqual(["v_prediction", "epsilon"]);
    expect(predictionsOf(sd2, 9)).toEqual(["epsilon"]);
    expect(predictionsOf(xl, 4)).toEqual(["epsilon"]);
  });

  it("by tensors, if it has Karras' noise levels", () => {
    const found = (tensors: readonly string[]) => edmCheckpointOf((name) => tensors.includes(name))?.repository;
    expect(found(["edm_mean", "edm_std"])).toBe("playgroundai/playground-v2.5-1024px-aesthetic");
    expect(found(["edm_mean"])).toBeUndefined();
    expect(found(["edm_vpred.sigma_max"])).toBe("stabilityai/cosxl");
  });
});

describe("a family that Darkroom does not run is found", () => {
  it.each([
    ["model.diffusion_model.input_blocks.1.1.time_stack.0.norm.weight", "Stable Video Diffusion"],
    ["down_blocks.0.motion_modules.0.temporal_transformer.norm.weight", "AnimateDiff"],
    ["cond_stage_model.transformer.attn_layers.layers.0.weight", "latent diffusion before Stable Diffusion"],
    ["noise_augmentor.data_mean", "Stable Diffusion 2 unCLIP"],
    ["model.diffusion_model.label_emb.weight", "the Stable Diffusion x4 upscaler"],
    ["lora_controlnet", "Control-LoRA"],
    ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight", "ControlNet-LLLite"],
    ["control_add_embedding.linear_1.weight", undefined],
    ["ip_adapter.1.to_k_ip.weight", "IP-Adapter"],
    ["adapter.body.0.in_conv.weight", undefined],
    ["model.diffusion_model.clip_txt_mapper.weight", "Stable Cascade"],
    ["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "Stable Diffusion 3"],
    ["model.txt_in.individual_token_refiner.blocks.0.weight", "HunyuanVideo"],
    ["distilled_guidance_layer.in_proj.weight", "Chroma"],
    ["single_stream_modulation.lin.weight", "Flux 2 or 3"],
    ["model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "Flux"],
    ["double_stream_blocks.0.block.weight", "HiDream"],
    ["model.double_layers.0.attn.w1q.weight", "AuraFlow"],
    ["model.diffusion_model.patchify_proj.weight", "LTX-Video"],
    ["mlp_t5.0.weight", "HunyuanDiT"],
    ["blocks.0.attn.qkv_x.weight", "Mochi"],
    ["layers.0.adaLN_modulation.0.weight", "Z-Image or Lumina"],
    ["cap_embedder.0.weight", "Lumina"],
    ["blocks.0.cross_attn.q_linear.weight", "PixArt or Sana"],
    ["adaln_single.linear.weight", "PixArt"],
    ["model.diffusion_model.blocks.0.cross_attn.q.weight", "Wan"],
    ["net.x_embedder.proj.1.weight", "Cosmos"],
    ["transformer_blocks.0.attn.add_q_proj.weight", "a diffusion transformer"],
    ["quantize.embedding.weight", "a VQ autoencoder"],
    ["model.diffusion_model.input_blocks.0.0.weight", "latent diffusion without text"],
    ["first_stage_model.decoder.conv_in.weight", undefined],
  ])("by the tensor %s: %s", (tensor, name) => {
    expect(otherFamily([tensor])).toBe(name);
  });

  it("by none of its tensors if it is a UNet that reads text", () => {
    expect(otherFamily(["model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.x.attn2.to_k.weight"])).toBeUndefined();
  });

  it("by the most specific tensor, in any order of the tensors", () => {
    expect(otherFamily(["transformer_blocks.0.attn.add_q_proj.weight", "single_transformer_blocks.0.attn.to_q.weight"])).toBe("Flux");
  });

  it.each([
    ["lora_unet_double_blocks_0_img_attn_proj.lora_up.weight", "Flux"],
    ["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "Flux"],
    ["transformer.transformer_blocks.0.attn.add_q_proj.lora_A.weight", "Stable Diffusion 3"],
    ["lora_unet_joint_blocks_0_x_block_attn_qkv.lora_up.weight", "Stable Diffusion 3"],
    ["diffusion_model.blocks.0.self_attn.q.lora_A.weight", "Wan"],
    ["transformer.blocks.0.attn.lora_A.weight", "a diffusion transformer"],
    ["lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", undefined],
  ])("by a LoRA's tensor %s: %s", (tensor, name) => {
    expect(otherFamilyByLoraTensor(tensor)).toBe(name);
  });
});

describe("messages name", () => {
  it.each([
    [768, "Stable Diffusion 1"],
    [1024, "Stable Diffusion 2"],
    [1280, "Stable Diffusion XL's second text encoder"],
    [32, undefined],
  ])("whose text encoder has vectors of %d numbers: %s", (width, name) => {
    expect(describeTextEncoder(width)).toBe(name);
  });

  it("the folders of all parts", () => {
    expect(new Set(partFolders())).toEqual(
      new Set(
        "unet transformer vae text_encoder text_encoder_2 text_encoder_3 tokenizer_3 scheduler low_res_scheduler tokenizer tokenizer_2 processor safety_checker feature_extractor".split(
          " ",
        ),
      ),
    );
  });
});
