import { describe, expect, it } from "vitest";
import { readComfyUI } from "../../../src/image/settings/comfyui.js";

type Inputs = Record<string, unknown>;
const node = (type: string, inputs: Inputs) => ({ class_type: type, inputs });
const text = (words: unknown) => node("CLIPTextEncode", { text: words, clip: ["model", 1] });
const read = (graph: Record<string, unknown>) => readComfyUI({ prompt: JSON.stringify(graph) });

const LOADER = node("CheckpointLoaderSimple", { ckpt_name: "base.safetensors" });
const EMPTY = node("EmptyLatentImage", { width: 512, height: 768, batch_size: 1 });
const SAMPLING = { seed: 7, steps: 20, cfg: 8, sampler_name: "euler", scheduler: "normal", denoise: 1 };
/** From text to picture, with some of the nodes others. */
const graph = (changes: Record<string, unknown> = {}, sampling: Inputs = {}) => ({
  model: LOADER,
  latent: EMPTY,
  positive: text("a red fox"),
  negative: text("blurry"),
  sampler: node("KSampler", {
    ...SAMPLING,
    model: ["model", 0],
    positive: ["positive", 0],
    negative: ["negative", 0],
    latent_image: ["latent", 0],
    ...sampling,
  }),
  vae: node("VAEDecode", { samples: ["sampler", 0], vae: ["model", 2] }),
  save: node("SaveImage", { images: ["vae", 0], filename_prefix: "fox" }),
  ...changes,
});
const FOUND = {
  prompt: "a red fox",
  negativePrompt: "blurry",
  settings: {
    Steps: "20",
    Sampler: "euler",
    "Schedule type": "normal",
    "CFG scale": "8",
    Seed: "7",
    Size: "512x768",
    Model: "base.safetensors",
  },
};

describe("ComfyUI's graph", () => {
  it("has the settings of its sampler, its texts, model and size", () => {
    expect(read(graph())).toEqual(FOUND);
  });

  it("has LoRAs between model and sampler, and a layer at which the text encoder stops", () => {
    const lora = (name: string, strength: number, before: string) =>
      node("LoraLoader", { lora_name: name, strength_model: strength, strength_clip: 1, model: [before, 0], clip: [before, 1] });
    const changes = {
      first: lora("detail.safetensors", 0.8, "model"),
      second: lora("style.safetensors", 0.5, "first"),
      skip: node("CLIPSetLastLayer", { stop_at_clip_layer: -2, clip: ["second", 1] }),
      positive: node("CLIPTextEncode", { text: "a red fox", clip: ["skip", 0] }),
    };
    expect(read(graph(changes, { model: ["second", 0] }))?.settings).toEqual({
      ...FOUND.settings,
      LoRAs: "style.safetensors 0.5, detail.safetensors 0.8",
      "Clip skip": "2",
    });
  });

  it("has the settings of combined loaders, and the LoRAs of a stack that are switched on", () => {
    const loader = (positive: string) => ({
      ...{ ckpt_name: "base.safetensors", positive, negative: "blurry", empty_latent_width: 512, empty_latent_height: 768 },
      ...{ lora_name: "None", lora_model_strength: 1, lora_stack: ["stack", 0] },
    });
    const changes = {
      loader: node("Efficient Loader", loader("a red fox")),
      stack: node("LoRA Stacker", {
        ...{ lora_count: 2, lora_name_1: "style.safetensors", lora_wt_1: 0.5, lora_name_2: "None", lora_wt_2: 1 },
        ...{ lora_name_3: "unused.safetensors", lora_wt_3: 1, lora_stack: ["switches", 0] },
      }),
      switches: node("CR LoRA Stack", {
        ...{ switch_1: "Off", lora_name_1: "off.safetensors", model_weight_1: 1 },
        ...{ switch_2: "On", lora_name_2: "detail.safetensors", model_weight_2: 0.8 },
      }),
    };
    const sampling = { model: ["loader", 0], positive: ["loader", 1], negative: ["loader", 2], latent_image: ["loader", 3] };
    expect(read(graph(changes, sampling))).toEqual({
      ...FOUND,
      settings: { ...FOUND.settings, LoRAs: "style.safetensors 0.5, detail.safetensors 0.8" },
    });
  });

  it("separates positive and negative prompt behind a ControlNet", () => {
    const control = node("ControlNetApplyAdvanced", { strength: 1, positive: ["positive", 0], negative: ["negative", 0], image: ["x", 0] });
    expect(read(graph({ control }, { positive: ["control", 0], negative: ["control", 1] }))).toEqual(FOUND);
  });

  it("joins combined texts, and follows links to their nodes", () => {
    const changes = {
      words: node("StringConstant", { string: "a red fox" }),
      first: text(["words", 0]),
      second: node("CLIPTextEncodeSDXL", { text_g: "in the snow", text_l: "oil painting", clip: ["model", 1] }),
      both: node("ConditioningCombine", { conditioning_1: ["first", 0], conditioning_2: ["second", 0] }),
      none: node("ConditioningZeroOut", { conditioning: ["first", 0] }),
    };
    expect(read(graph(changes, { positive: ["both", 0], negative: ["none", 0] }))).toMatchObject({
      prompt: "a red fox\nin the snow\noil painting",
      negativePrompt: "",
    });
  });

  it("has values that other nodes make", () => {
    const changes = { seed: node("Seed (rgthree)", { seed: 99 }), steps: node("PrimitiveInt", { value: 33 }) };
    expect(read(graph(changes, { seed: ["seed", 0], steps: ["steps", 0] }))?.settings).toMatchObject({ Seed: "99", Steps: "33" });
  });

  it("has the settings of the first pass, not of one that refines the picture", () => {
    const second = node("KSampler", {
      ...{ ...SAMPLING, seed: 8, steps: 5, denoise: 0.5, model: ["model", 0] },
      ...{ positive: ["positive", 0], negative: ["negative", 0], latent_image: ["larger", 0] },
    });
    const changes = {
      ...{ second, larger: node("LatentUpscale", { samples: ["sampler", 0], width: 1024, height: 1536 }) },
      vae: node("VAEDecode", { samples: ["second", 0], vae: ["model", 2] }),
    };
    expect(read({ second, ...graph(changes) })).toEqual(FOUND);
  });

  it("has the strength of image to image", () => {
    const latent = node("VAEEncode", { pixels: ["photo", 0], vae: ["model", 2] });
    expect(read(graph({ latent, photo: node("LoadImage", { image: "photo.png" }) }, { denoise: 0.6 }))?.settings).toMatchObject({
      "Denoising strength": "0.6",
    });
  });

  it("reads samplers of SDXL and those in several nodes", () => {
    const advanced = { noise_seed: 5, start_at_step: 0, end_at_step: 20, add_noise: "enable" };
    const { seed, denoise, ...sampling } = SAMPLING;
    const changes = {
      sampler: node("KSamplerAdvanced", {
        ...{ ...sampling, ...advanced, model: ["model", 0] },
        ...{ positive: ["positive", 0], negative: ["negative", 0], latent_image: ["latent", 0] },
      }),
    };
    expect(read(graph(changes))?.settings).toEqual({ ...FOUND.settings, Seed: "5" });

    const flux = {
      model: node("UNETLoader", { unet_name: "flux1-dev.safetensors" }),
      guided: node("FluxGuidance", { guidance: 3.5, conditioning: ["positive", 0] }),
      guider: node("BasicGuider", { model: ["model", 0], conditioning: ["guided", 0] }),
      noise: node("RandomNoise", { noise_seed: 11 }),
      choice: node("KSamplerSelect", { sampler_name: "euler" }),
      sigmas: node("BasicScheduler", { scheduler: "simple", steps: 4, denoise: 1, model: ["model", 0] }),
      sampler: node("SamplerCustomAdvanced", {
        ...{ noise: ["noise", 0], guider: ["guider", 0], sampler: ["choice", 0], sigmas: ["sigmas", 0], latent_image: ["latent", 0] },
      }),
    };
    expect(read(graph(flux))).toEqual({
      prompt: "a red fox",
      negativePrompt: "",
      settings: {
        Steps: "4",
        Sampler: "euler",
        "Schedule type": "simple",
        "Distilled CFG Scale": "3.5",
        Seed: "11",
        Size: "512x768",
        Model: "flux1-dev.safetensors",
      },
    });
  });

  it("is read as the editor saves it", () => {
    const saved = (id: number, type: string, values: unknown[], inputs: Record<string, number> = {}, mode = 0) => ({
      id,
      type,
      mode,
      widgets_values: values,
      inputs: Object.entries(inputs).map(([name, link]) => ({ name, type: "X", link })),
    });
    const workflow = {
      nodes: [
        saved(1, "CheckpointLoaderSimple", ["base.safetensors"]),
        saved(2, "CLIPTextEncode", ["a red fox"], { clip: 1 }),
        saved(3, "CLIPTextEncode", ["blurry"], { clip: 2 }),
        saved(4, "EmptyLatentImage", [512, 768, 1]),
        saved(5, "KSampler", [7, "randomize", 20, 8, "euler", "normal", 1], { model: 3, positive: 4, negative: 5, latent_image: 6 }),
        saved(6, "KSampler", [1, "randomize", 1, 1, "lcm", "normal", 1], { positive: 4 }, 2),
      ],
      links: [
        [1, 1, 1, 2, 0, "CLIP"],
        [2, 1, 1, 3, 0, "CLIP"],
        [3, 1, 0, 5, 0, "MODEL"],
        [4, 2, 0, 5, 1, "CONDITIONING"],
        [5, 3, 0, 5, 2, "CONDITIONING"],
        { id: 6, origin_id: 4, origin_slot: 0, target_id: 5, target_slot: 3, type: "LATENT" },
      ],
    };
    expect(readComfyUI({ workflow: JSON.stringify(workflow) })).toEqual(FOUND);
  });

  it("may contain circles", () => {
    expect(read(graph({ latent: node("Loop", { samples: ["sampler", 0] }) }))?.settings).toMatchObject({ Seed: "7" });
    expect(read(graph({ positive: node("Loop", { conditioning: ["positive", 0] }) }))?.prompt).toBe("");
  });

  it("is not found in texts of other programs", () => {
    const others: Record<string, string>[] = [{}, { prompt: "a red fox" }, { prompt: "{}" }, { workflow: "[]" }];
    for (const texts of others) expect(readComfyUI(texts)).toBeUndefined();
  });
});
