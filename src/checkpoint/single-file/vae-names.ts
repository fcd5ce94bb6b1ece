import { inside, LayerNames, type NamePair } from "./layer-names.js";

const ATTENTION: readonly NamePair[] = [
  ["norm", "group_norm"],
  ["q", "to_q"],
  ["k", "to_k"],
  ["v", "to_v"],
  ["proj_out", "to_out.0"],
];
const RESNET: readonly NamePair[] = [["norm1"], ["conv1"], ["norm2"], ["conv2"], ["nin_shortcut", "conv_shortcut"]].map(
  ([original = "", diffusers = original]) => [original, diffusers],
);

/** The names of the layers of an autoencoder with these tensors in its file. */
export function vaeNames(names: Iterable<string>): LayerNames {
  let levels = 0;
  let layers = 0;
  let areInside = false;
  for (const name of names) {
    const [, level = "", layer = ""] = /^(?:encoder\.down|decoder\.up)\.(\d{1,2})\.block\.(\d{1,2})\./.exec(name) ?? [];
    levels = Math.max(levels, Number(level) + 1);
    layers = Math.max(layers, Number(layer) + 1);
    areInside ||= name.startsWith("encoder.quant_conv.");
  }
  return new LayerNames(pairs(levels, layers, areInside));
}

/** `areInside`: whether the convolutions of latents are those of the encoder and the decoder, as in the authors' FLUX.2. */
function* pairs(levels: number, layers: number, areInside: boolean): Generator<NamePair> {
  // FLUX.2's has statistics of its latents as a batch norm.
  yield ["bn", "bn"];
  yield [areInside ? "encoder.quant_conv" : "quant_conv", "quant_conv"];
  yield [areInside ? "decoder.post_quant_conv" : "post_quant_conv", "post_quant_conv"];
  for (const half of ["encoder", "decoder"]) {
    for (const name of ["conv_in", "conv_out"]) yield [`${half}.${name}`, `${half}.${name}`];
    yield [`${half}.norm_out`, `${half}.conv_norm_out`];
    for (let i = 0; i < 2; i++) yield* inside(`${half}.mid.block_${i + 1}`, `${half}.mid_block.resnets.${i}`, RESNET);
    yield* inside(`${half}.mid.attn_1`, `${half}.mid_block.attentions.0`, ATTENTION);
  }
  for (let i = 0; i < levels; i++) {
    // The original code counts the levels of both halves from the picture's side. diffusers counts each half in the order of computation.
    const up = levels - 1 - i;
    yield [`encoder.down.${i}.downsample.conv`, `encoder.down_blocks.${i}.downsamplers.0.conv`];
    yield [`decoder.up.${i}.upsample.conv`, `decoder.up_blocks.${up}.upsamplers.0.conv`];
    for (let j = 0; j < layers; j++) {
      yield* inside(`encoder.down.${i}.block.${j}`, `encoder.down_blocks.${i}.resnets.${j}`, RESNET);
      yield* inside(`decoder.up.${i}.block.${j}`, `decoder.up_blocks.${up}.resnets.${j}`, RESNET);
    }
  }
}
