import type { TransformerFamily } from "./family.js";

/** Steps and guidance of diffusers' pipeline. */
const DEFAULTS = { steps: 50, guidance: 4 } as const;
const CLASS = "Flux2KleinPipeline";
const FLOW = {
  _class_name: "FlowMatchEulerDiscreteScheduler",
  base_image_seq_len: 256,
  base_shift: 0.5,
  max_image_seq_len: 4096,
  max_shift: 1.15,
  num_train_timesteps: 1000,
  shift: 3,
  use_dynamic_shifting: true,
  time_shift_type: "exponential",
} as const;

/** FLUX.2 klein (Black Forest Labs 2026): 4 or 9 billion parameters, distilled for four steps or not. Its text encoder is Qwen3. */
export const FLUX2_KLEIN = {
  id: "flux2-klein",
  name: "FLUX.2 klein",
  shortName: "klein",
  takesPrompt: true,
  takesReferences: true,
  workflows: {
    noise: { className: CLASS, defaults: DEFAULTS },
    // Pictures are seen beside the noise, so all steps are taken.
    image: { className: CLASS, defaults: DEFAULTS, takesAllSteps: true },
  },
  parts: {
    transformer: { library: "diffusers", className: "Flux2Transformer2DModel" },
    vae: { library: "diffusers", className: "AutoencoderKLFlux2" },
    text_encoder: { library: "transformers", className: "Qwen3ForCausalLM" },
    tokenizer: { library: "transformers", className: "Qwen2TokenizerFast" },
  },
  latents: { channels: 32, factor: 8, scale: 1, shift: 0 },
  patch: 2,
  sampleSize: 1024,
  published: [
    {
      repository: "black-forest-labs/FLUX.2-klein-4B",
      scheduler: FLOW,
      indexOptions: { is_distilled: true },
      // As its model card advises.
      defaults: { steps: 4, guidance: 1 },
    },
    { repository: "black-forest-labs/FLUX.2-klein-base-4B", scheduler: FLOW, indexOptions: { is_distilled: false } },
    {
      repository: "black-forest-labs/FLUX.2-klein-9B",
      scheduler: FLOW,
      indexOptions: { is_distilled: true },
      defaults: { steps: 4, guidance: 1 },
    },
    { repository: "black-forest-labs/FLUX.2-klein-base-9B", scheduler: FLOW, indexOptions: { is_distilled: false } },
  ],
  ownOptions: { maxSequenceLength: ["noise", "image"], textEncoderOutLayers: ["noise", "image"] },
  lacks: ["negativePrompt", "guidanceRescale", "eta", "freeU", "tokenMerging", "pagScale", "clipSkip", "promptSyntax", "cache", "strength"],
} as const satisfies TransformerFamily;
