import { conv, linear, norm, resnet, type Tensors } from "./tensors.js";

/** `config.json` of an AutoencoderKL, with the fields that differ between our checkpoints. */
export interface VaeConfig {
  readonly block_out_channels: readonly number[];
  readonly down_block_types: readonly string[];
  readonly up_block_types: readonly string[];
  readonly layers_per_block: number;
  readonly latent_channels: number;
  readonly sample_size: number;
  readonly scaling_factor: number;
  readonly shift_factor?: number;
  /** Whether a convolution of one pixel follows the encoder; true by default. */
  readonly use_quant_conv?: boolean;
  /** Whether one comes before the decoder; true by default. */
  readonly use_post_quant_conv?: boolean;
}

/** The tensors of an AutoencoderKL. */
export function* vaeTensors(config: VaeConfig): Tensors {
  const { block_out_channels: widths, layers_per_block: layers, latent_channels: latents } = config;
  const first = widths[0] ?? 0;
  const deepest = widths.at(-1) ?? 0;
  yield* conv("encoder.conv_in", 3, first);
  yield* blocks("encoder.down_blocks", widths, first, layers, "downsamplers");
  yield* ending("encoder", deepest, deepest, 2 * latents);
  if (config.use_quant_conv ?? true) yield* conv("quant_conv", 2 * latents, 2 * latents, 1);

  if (config.use_post_quant_conv ?? true) yield* conv("post_quant_conv", latents, latents, 1);
  yield* conv("decoder.conv_in", latents, deepest);
  yield* blocks("decoder.up_blocks", [...widths].reverse(), deepest, layers + 1, "upsamplers");
  yield* ending("decoder", deepest, first, 3);
}

/** The down or up blocks. Each block but the last changes the size at its end. */
function* blocks(name: string, widths: readonly number[], first: number, layers: number, samplers: string): Tensors {
  let width = first;
  for (const [i, outputs] of widths.entries()) {
    for (let j = 0; j < layers; j++) {
      yield* resnet(`${name}.${i}.resnets.${j}`, width, outputs);
      width = outputs;
    }
    if (i < widths.length - 1) yield* conv(`${name}.${i}.${samplers}.0.conv`, width, width);
  }
}

/** The middle block and the last norm and convolution. */
function* ending(name: string, middle: number, width: number, outputs: number): Tensors {
  const attention = `${name}.mid_block.attentions.0`;
  yield* resnet(`${name}.mid_block.resnets.0`, middle, middle);
  yield* norm(`${attention}.group_norm`, middle);
  for (const projection of ["to_q", "to_k", "to_v", "to_out.0"]) yield* linear(`${attention}.${projection}`, middle, middle);
  yield* resnet(`${name}.mid_block.resnets.1`, middle, middle);
  yield* norm(`${name}.conv_norm_out`, width);
  yield* conv(`${name}.conv_out`, width, outputs);
}
