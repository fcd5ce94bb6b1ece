/** A layer that a LoRA changes or that a network has: its name with underscores, and the shape [out, in] of its weight, if it is known. */
export interface NamedLayer {
  readonly layer: string;
  readonly out?: number | undefined;
  readonly ins?: number | undefined;
}

/** A family of transformers, by the names and shapes of layers. */
interface Rule {
  readonly family: string;
  readonly has: RegExp;
  /** Whether the shape fits, too. */
  readonly fits?: (layer: NamedLayer, ratio: number | undefined) => boolean;
}

/** Widths of FLUX.2 klein 9B and dev. That of klein 4B is FLUX.1's, too. */
const FLUX2_WIDTHS = [4096, 6144];
/** Widths of Stable Diffusion 3 medium, 3.5 medium (the same) and 3.5 large. */
const SD3_WIDTHS = [1536, 2432];
/** The width of Lumina Image 2.0, whose layers have Z-Image's names. */
const LUMINA_WIDTH = 2304;
/** The number of FLUX.1's double blocks. */
const FLUX_BLOCKS = 19;

const blockOf = ({ layer }: NamedLayer) => Number(/_(\d+)_/.exec(layer)?.[1] ?? 0);

/** The first that one of the layers fits counts. */
const RULES: readonly Rule[] = [
  { family: "Chroma", has: /^distilled_guidance_layer_/ },
  { family: "FLUX.2", has: /_attn_to_qkv_mlp_proj$|_ff(_context)?_linear_(in|out)$|^(single|double)_stream_modulation/ },
  // Their feed-forward layers are gated: two matrices of three times the width. FLUX.1 has one of four times.
  { family: "FLUX.2", has: /^double_blocks_\d+_(img|txt)_mlp_0$/, fits: (_, ratio) => ratio === 6 },
  { family: "FLUX.2", has: /^single_blocks_\d+_linear1$/, fits: (_, ratio) => ratio === 9 },
  { family: "FLUX.1", has: /^double_blocks_\d+_((img|txt)_mod_lin|(img|txt)_mlp_)|^single_blocks_\d+_(linear1$|modulation_|qkv$)/ },
  { family: "FLUX.1", has: /^single_transformer_blocks_\d+_(attn_to_[qkv]$|proj_|norm_linear$)/ },
  { family: "FLUX.2", has: /^double_blocks_\d+_.+_(proj|qkv)$/, fits: ({ ins }) => FLUX2_WIDTHS.includes(ins ?? 0) },
  { family: "FLUX.1 or FLUX.2", has: /^((double|single)_blocks|single_transformer_blocks)_\d/ },
  { family: "Qwen-Image", has: /^transformer_blocks_\d+_(img|txt)_(mlp|mod)_/ },
  { family: "Stable Diffusion 3", has: /^joint_blocks_\d/ },
  { family: "Stable Diffusion 3", has: /^transformer_blocks_\d+_attn_/, fits: ({ ins }) => SD3_WIDTHS.includes(ins ?? 0) },
  { family: "Qwen-Image", has: /^transformer_blocks_\d+_attn_/, fits: (layer) => layer.ins === 3072 && blockOf(layer) >= FLUX_BLOCKS },
  { family: "FLUX.1 or Qwen-Image", has: /^transformer_blocks_\d+_attn_(add_|to_add_)/, fits: ({ ins }) => ins === 3072 },
  { family: "Stable Diffusion 3 or FLUX.1", has: /^transformer_blocks_\d+_(ff_context_|norm1_context_)/ },
  { family: "Stable Diffusion 3 or FLUX.1 or Qwen-Image", has: /^transformer_blocks_\d+_attn_(add_|to_add_)/ },
  {
    family: "Lumina 2",
    has: /^(layers|noise_refiner|context_refiner)_\d+_attention_/,
    fits: ({ ins }) => ins === LUMINA_WIDTH,
  },
  { family: "Z-Image", has: /^(layers|noise_refiner|context_refiner)_\d+_(attention|feed_forward|adaLN_modulation)_/ },
];

/** The family of the transformer that has these layers, or several with "or" between them; undefined if they do not show it. */
export function transformerFamily(layers: readonly NamedLayer[]): string | undefined {
  return RULES.find(({ has, fits = () => true }) =>
    layers.some((each) => {
      const { layer, out, ins } = each;
      return has.test(layer) && fits(each, out !== undefined && ins ? out / ins : undefined);
    }),
  )?.family;
}
