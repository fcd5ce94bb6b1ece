import { describe, expect, it } from "vitest";
import { parseLoraName } from "../../src/lora/lora-names.js";

describe("the layer and the role of a tensor called", () => {
  const attention = "down_blocks_0_attentions_1_transformer_blocks_0_attn1";
  const projection = "encoder_layers_3_self_attn_q_proj";
  it.each([
    [`lora_unet_${attention}_to_q.lora_down.weight`, "unet", `${attention}_to_q`, "down", "kohya"],
    [`lora_unet_${attention}_to_out_0.lora_up.weight`, "unet", `${attention}_to_out_0`, "up", "kohya"],
    ["lora_unet_mid_block_resnets_0_conv1.lora_mid.weight", "unet", "mid_block_resnets_0_conv1", "mid", "kohya"],
    ["lora_unet_input_blocks_4_1_proj_in.alpha", "unet", "input_blocks_4_1_proj_in", "alpha", undefined],
    ["lora_te_text_model_encoder_layers_3_self_attn_q_proj.lora_down.weight", "text_encoder", projection, "down", "kohya"],
    ["lora_te1_text_model_encoder_layers_3_self_attn_q_proj.lora_up.weight", "text_encoder", projection, "up", "kohya"],
    ["lora_te2_text_model_encoder_layers_3_self_attn_q_proj.lora_up.weight", "text_encoder_2", projection, "up", "kohya"],
    ["lora_te2_text_projection.lora_down.weight", "text_encoder_2", "text_projection", "down", "kohya"],
    [
      "unet.down_blocks.0.attentions.1.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
      "unet",
      `${attention}_to_out_0`,
      "down",
      "diffusers",
    ],
    ["unet.down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q.lora.up.weight", "unet", `${attention}_to_q`, "up", "diffusers"],
    ["down_blocks.0.attentions.1.transformer_blocks.0.attn1.processor.to_k_lora.up.weight", "unet", `${attention}_to_k`, "up", "diffusers"],
    ["text_encoder.text_model.encoder.layers.3.self_attn.to_q_lora.up.weight", "text_encoder", projection, "up", "diffusers"],
    [
      "text_encoder.text_model.encoder.layers.3.self_attn.q_proj.lora_linear_layer.down.weight",
      "text_encoder",
      projection,
      "down",
      "diffusers",
    ],
    ["text_encoder_2.text_model.encoder.layers.3.self_attn.q_proj.lora_A.weight", "text_encoder_2", projection, "down", "peft"],
    ["unet.mid_block.attentions.0.proj_out.lora_B.default_0.weight", "unet", "mid_block_attentions_0_proj_out", "up", "peft"],
    ["unet.base_model.model.mid_block.attentions.0.proj_out.lora_A.weight", "unet", "mid_block_attentions_0_proj_out", "down", "peft"],
    ["base_model.model.unet.conv_in.lora_A.weight", "unet", "conv_in", "down", "peft"],
    ["base_model.model.text_model.encoder.layers.3.self_attn.q_proj.lora_A.weight", "text_encoder", projection, "down", "peft"],
    ["diffusion_model.middle_block.1.proj_in.lora_up.weight", "unet", "middle_block_1_proj_in", "up", "kohya"],
    ["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "transformer", "double_blocks_0_img_attn_qkv", "down", "kohya"],
    ["transformer.transformer_blocks.0.attn.to_out.0.lora_A.weight", "transformer", "transformer_blocks_0_attn_to_out_0", "down", "peft"],
    ["double_blocks.3.processor.qkv_lora2.up.weight", "transformer", "double_blocks_3_txt_attn_qkv", "up", "xlabs"],
    ["single_blocks.3.processor.proj_lora.up.weight", "transformer", "single_blocks_3_proj", "up", "diffusers"],
    ["transformer_blocks.0.attn.to_q.lora_down.weight", "transformer", "transformer_blocks_0_attn_to_q", "down", "kohya"],
    ["diffusion_model.layers.0.attention.to.q.lora.down.weight", "transformer", "layers_0_attention_to_q", "down", "diffusers"],
    ["lora_transformer_x_embedder.lora_up.weight", "transformer", "x_embedder", "up", "kohya"],
    ["single_transformer_blocks.0.attn.to_out.lora_A.weight", "transformer", "single_transformer_blocks_0_attn_to_out", "down", "peft"],
    [
      "lora_te3_encoder_block_0_layer_0_SelfAttention_q.alpha",
      "text_encoder_3",
      "encoder_block_0_layer_0_SelfAttention_q",
      "alpha",
      undefined,
    ],
    [
      "text_encoders.t5xxl.transformer.encoder.block.0.layer.1.DenseReluDense.wi_0.lora_A.weight",
      "text_encoder_3",
      "encoder_block_0_layer_1_DenseReluDense_wi_0",
      "down",
      "peft",
    ],
  ])("%s", (name, part, layer, role, format) => {
    expect(parseLoraName(name)).toEqual({ part, layer, role, format });
  });

  it.each(["bundle_emb.fox.string_to_param.*", "unet.conv_in.weight", "emb_params"])("%s are none", (name) => {
    expect(parseLoraName(name)).toBeUndefined();
  });
});
