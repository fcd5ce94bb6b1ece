import { describe, expect, it } from "vitest";
import { openClipLayers, openClipNames, openClipPieces } from "../../../src/checkpoint/single-file/text-encoder-names.js";
import { controlNetNames, diffusersLayout, originalLayout, unetNames } from "../../../src/checkpoint/single-file/unet-names.js";
import { vaeNames } from "../../../src/checkpoint/single-file/vae-names.js";
import { FULL_SIZE, vae } from "../../helpers/full-size-files.js";

const UNET = "model.diffusion_model.";
/** What the UNet's tensors in a full-sized file are called. */
const namesOf = (file: string) =>
  Object.keys(FULL_SIZE[file]?.() ?? {}).flatMap((name) => (name.startsWith(UNET) ? name.slice(UNET.length) : []));

describe("layers of Stable Diffusion XL's UNet", () => {
  const names = unetNames(originalLayout(namesOf("sdxl-base")));
  it.each([
    ["conv_in", "input_blocks.0.0"],
    ["down_blocks.0.resnets.1.conv1", "input_blocks.2.0.in_layers.2"],
    ["down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"],
    ["down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "input_blocks.4.1.transformer_blocks.0.attn1.to_q"],
    ["down_blocks.1.resnets.0.conv_shortcut", "input_blocks.4.0.skip_connection"],
    ["down_blocks.2.attentions.1.proj_out", "input_blocks.8.1.proj_out"],
    ["mid_block.resnets.0.time_emb_proj", "middle_block.0.emb_layers.1"],
    ["mid_block.attentions.0.proj_in", "middle_block.1.proj_in"],
    ["mid_block.resnets.1.conv2", "middle_block.2.out_layers.3"],
    ["up_blocks.0.attentions.2.proj_in", "output_blocks.2.1.proj_in"],
    ["up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"],
    ["up_blocks.2.resnets.2.conv1", "output_blocks.8.0.in_layers.2"],
    ["conv_out", "out.2"],
    ["add_embedding.linear_2", "label_emb.0.2"],
  ])("%s is %s in Stability's code", (diffusers, original) => {
    expect(names.original(diffusers)).toBe(original);
    expect(names.diffusers(original)).toBe(diffusers);
  });

  it("have no name if the UNet does not have them", () => {
    expect(names.original("class_embedding.linear_1")).toBeUndefined();
    expect(names.diffusers("model_ema.decay")).toBeUndefined();
  });
});

describe("the upsampling of a UNet", () => {
  it("comes third in a block with attention, otherwise second", () => {
    const refiner = unetNames(originalLayout(namesOf("sdxl-refiner")));
    expect(refiner.original("up_blocks.0.upsamplers.0.conv")).toBe("output_blocks.2.1.conv");
    expect(refiner.original("up_blocks.1.upsamplers.0.conv")).toBe("output_blocks.5.2.conv");
  });
});

describe("the layout of a UNet", () => {
  it.each(["sd15", "sdxl-base", "sdxl-refiner"])("of %s is the same by its original names and by diffusers'", (file) => {
    const layout = originalLayout(namesOf(file));
    const names = unetNames(layout);
    expect(diffusersLayout(namesOf(file).map((name) => names.diffusers(name) ?? name))).toEqual(layout);
  });

  it("with levels of different lengths shows in the numbers of the downsampling blocks", () => {
    const blocks = ["0.0", "1.0", "2.0", "3.0.op", "4.0", "5.0.op", "6.0", "7.0", "8.0"].map((block) => `input_blocks.${block}.weight`);
    expect(originalLayout(blocks).layers).toEqual([2, 1, 3]);
  });
});

describe("layers of an autoencoder", () => {
  const names = vaeNames(Object.keys(vae("")));
  it.each([
    ["encoder.down_blocks.1.resnets.0.conv_shortcut", "encoder.down.1.block.0.nin_shortcut"],
    ["encoder.down_blocks.2.downsamplers.0.conv", "encoder.down.2.downsample.conv"],
    ["encoder.mid_block.attentions.0.to_out.0", "encoder.mid.attn_1.proj_out"],
    ["decoder.mid_block.resnets.1.norm2", "decoder.mid.block_2.norm2"],
    ["decoder.up_blocks.0.resnets.2.conv1", "decoder.up.3.block.2.conv1"],
    ["decoder.up_blocks.2.upsamplers.0.conv", "decoder.up.1.upsample.conv"],
    ["decoder.conv_norm_out", "decoder.norm_out"],
    ["post_quant_conv", "post_quant_conv"],
  ])("%s is %s in the original code", (diffusers, original) => {
    expect(names.original(diffusers)).toBe(original);
    expect(names.diffusers(original)).toBe(diffusers);
  });

  it("do not include training state", () => {
    expect(names.diffusers("loss.discriminator.main.0.weight")).toBeUndefined();
  });
});

describe("layers of a ControlNet", () => {
  it("have the numbers that the file gives to the embedding of the control picture", () => {
    const names = controlNetNames({ layers: [1, 1], attendsUp: [] }, [0, 2, 4, 14]);
    expect(names.diffusers("input_hint_block.4.weight")).toBe("controlnet_cond_embedding.blocks.1.weight");
    expect(names.diffusers("input_hint_block.14.bias")).toBe("controlnet_cond_embedding.conv_out.bias");
    expect(names.diffusers("zero_convs.3.0.weight")).toBe("controlnet_down_blocks.3.weight");
    expect(names.diffusers("middle_block_out.0.weight")).toBe("controlnet_mid_block.weight");
  });
});

describe("a name that is not that of a layer", () => {
  const many = "99999999";

  it("is ignored if its number has more than two digits, because counting to it would take memory", () => {
    const few = ["input_blocks.1.0.in_layers.2.weight", "output_blocks.1.0.in_layers.2.weight"];
    expect(originalLayout([...few, `input_blocks.${many}.0.op.weight`])).toEqual(originalLayout(few));
    expect(diffusersLayout([`down_blocks.${many}.resnets.${many}.conv1.weight`, `up_blocks.${many}.attentions.0.norm.weight`])).toEqual({
      layers: [],
      attendsUp: [],
    });
    expect(openClipLayers([`transformer.resblocks.${many}.ln_1.weight`, "transformer.resblocks.1.ln_1.weight"])).toBe(2);
    const names = vaeNames([`encoder.down.${many}.block.${many}.conv1.weight`]);
    expect(names.diffusers(`encoder.down.${many}.block.0.conv1.weight`)).toBeUndefined();
  });

  it("has no other name, however many dots it has", () => {
    expect(vaeNames([]).diffusers(`encoder.conv_in${".a".repeat(2_000_000)}`)).toBeUndefined();
  });
});

describe("OpenCLIP's fused projection", () => {
  const stored = { name: "x", dtype: "F16", shape: [6, 2], file: { id: "f" }, offset: 100, length: 24 };
  const names = openClipNames(1);

  it("is split into three ranges of bytes: query, key and value", () => {
    const pieces = openClipPieces({ name: "transformer.resblocks.0.attn.in_proj_weight", stored });
    expect(pieces.map(({ name }) => names.diffusers(name))).toEqual(
      ["q", "k", "v"].map((each) => `encoder.layers.0.self_attn.${each}_proj.weight`),
    );
    expect(pieces.map((piece) => piece.stored)).toEqual([100, 108, 116].map((offset) => ({ ...stored, shape: [2, 2], offset, length: 8 })));
  });

  it("is named in messages if one of the three is missing", () => {
    expect(names.original("encoder.layers.0.self_attn.k_proj.bias")).toBe("transformer.resblocks.0.attn.in_proj_bias");
  });

  it("of pooled features is stored transposed", () => {
    const [piece] = openClipPieces({ name: "text_projection", stored });
    expect(piece).toEqual({ name: "text_projection.weight", stored: { ...stored, shape: [2, 6], transposed: true } });
    expect(names.original("text_projection.weight")).toBe("text_projection");
  });
});
