import { linear, norm, type Tensors } from "./tensors.js";

/** `config.json` of a CLIP text encoder, with the fields that differ between our checkpoints. */
export interface ClipTextConfig {
  readonly architectures: readonly ["CLIPTextModel" | "CLIPTextModelWithProjection"];
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly max_position_embeddings: number;
  readonly hidden_act: string;
  readonly projection_dim: number;
}

/** The tensors of a CLIPTextModel, or of a CLIPTextModelWithProjection. */
export function* clipTextTensors(config: ClipTextConfig): Tensors {
  const { hidden_size: width, intermediate_size: inner } = config;
  yield ["text_model.embeddings.token_embedding.weight", [config.vocab_size, width]];
  yield ["text_model.embeddings.position_embedding.weight", [config.max_position_embeddings, width]];
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `text_model.encoder.layers.${i}`;
    yield* norm(`${layer}.layer_norm1`, width);
    for (const projection of ["q_proj", "k_proj", "v_proj", "out_proj"]) yield* linear(`${layer}.self_attn.${projection}`, width, width);
    yield* norm(`${layer}.layer_norm2`, width);
    yield* linear(`${layer}.mlp.fc1`, width, inner);
    yield* linear(`${layer}.mlp.fc2`, inner, width);
  }
  yield* norm("text_model.final_layer_norm", width);
  if (config.architectures[0] === "CLIPTextModelWithProjection")
    yield* linear("text_projection", width, config.projection_dim, { bias: false });
}
