import { conv, linear, norm, resnet, type Tensors } from "./tensors.js";

/** `config.json` of a UNet2DConditionModel, with the fields that differ between our checkpoints. */
export interface UNetConfig {
  readonly sample_size: number;
  readonly in_channels: number;
  readonly out_channels: number;
  readonly down_block_types: readonly string[];
  readonly up_block_types: readonly string[];
  readonly block_out_channels: readonly number[];
  readonly layers_per_block: number;
  readonly cross_attention_dim: number;
  /** Heads, whatever the field's name says. */
  readonly attention_head_dim: number | readonly number[];
  readonly transformer_layers_per_block: number | readonly number[];
  readonly use_linear_projection: boolean;
  readonly addition_embed_type?: "text_time";
  readonly addition_time_embed_dim?: number;
  readonly projection_class_embeddings_input_dim?: number;
}

/** The tensors of a UNet2DConditionModel. */
export function* unetTensors(config: UNetConfig): Tensors {
  const { block_out_channels: widths, layers_per_block: layers, projection_class_embeddings_input_dim: additions } = config;
  const first = widths[0] ?? 0;
  const last = widths.length - 1;
  const time = 4 * first;
  yield* conv("conv_in", config.in_channels, first);
  yield* linear("time_embedding.linear_1", first, time);
  yield* linear("time_embedding.linear_2", time, time);
  if (additions !== undefined) {
    yield* linear("add_embedding.linear_1", additions, time);
    yield* linear("add_embedding.linear_2", time, time);
  }

  let width = first;
  const skips = [first];
  for (const [i, outputs] of widths.entries()) {
    const block = `down_blocks.${i}`;
    for (let j = 0; j < layers; j++) {
      yield* resnet(`${block}.resnets.${j}`, width, outputs, time);
      if (config.down_block_types[i]?.startsWith("CrossAttn")) yield* transformer(`${block}.attentions.${j}`, outputs, i, config);
      width = outputs;
      skips.push(width);
    }
    if (i === last) continue;
    yield* conv(`${block}.downsamplers.0.conv`, width, width);
    skips.push(width);
  }

  yield* resnet("mid_block.resnets.0", width, width, time);
  yield* transformer("mid_block.attentions.0", width, last, config);
  yield* resnet("mid_block.resnets.1", width, width, time);

  for (const [j, outputs] of [...widths].reverse().entries()) {
    const block = `up_blocks.${j}`;
    for (let k = 0; k <= layers; k++) {
      yield* resnet(`${block}.resnets.${k}`, width + (skips.pop() ?? 0), outputs, time);
      if (config.up_block_types[j]?.startsWith("CrossAttn")) yield* transformer(`${block}.attentions.${k}`, outputs, last - j, config);
      width = outputs;
    }
    if (j < last) yield* conv(`${block}.upsamplers.0.conv`, width, width);
  }
  yield* norm("conv_norm_out", first);
  yield* conv("conv_out", first, config.out_channels);
}

/** diffusers' Transformer2DModel on level `level`. */
function* transformer(name: string, width: number, level: number, config: UNetConfig): Tensors {
  const { use_linear_projection: isLinear, transformer_layers_per_block: layers, cross_attention_dim: context } = config;
  const projection = (end: string) => (isLinear ? linear(`${name}.${end}`, width, width) : conv(`${name}.${end}`, width, width, 1));
  yield* norm(`${name}.norm`, width);
  yield* projection("proj_in");
  for (let i = 0; i < (typeof layers === "number" ? layers : (layers[level] ?? 0)); i++) {
    const block = `${name}.transformer_blocks.${i}`;
    for (const [n, source] of [width, context].entries()) {
      yield* norm(`${block}.norm${n + 1}`, width);
      yield* attention(`${block}.attn${n + 1}`, width, source);
    }
    yield* norm(`${block}.norm3`, width);
    yield* linear(`${block}.ff.net.0.proj`, width, 8 * width);
    yield* linear(`${block}.ff.net.2`, 4 * width, width);
  }
  yield* projection("proj_out");
}

function* attention(name: string, width: number, context: number): Tensors {
  yield* linear(`${name}.to_q`, width, width, { bias: false });
  yield* linear(`${name}.to_k`, context, width, { bias: false });
  yield* linear(`${name}.to_v`, context, width, { bias: false });
  yield* linear(`${name}.to_out.0`, width, width);
}
