import type { JsonObject } from "../../json.js";
import type { Weights } from "../../weights.js";
import { levelsOf } from "../count-levels.js";
import { DIFFUSERS_NAMES, inside, LayerNames, type NamePair, type Naming } from "../layer-names.js";
import type { FileNames } from "./layout.js";

const RESNET: readonly NamePair[] = [
  ["residual.0", "norm1"],
  ["residual.2", "conv1"],
  ["residual.3", "norm2"],
  ["residual.6", "conv2"],
  ["shortcut", "conv_shortcut"],
];

/** Whether the tensors are those of the autoencoder of Qwen-Image and Wan: its convolutions are three-dimensional. */
export function isQwenImageVae({ shapeOf }: Pick<FileNames, "shapeOf">): boolean {
  return ["encoder.conv1.weight", "encoder.conv_in.weight"].some((name) => shapeOf(name)?.length === 5);
}

/** The names of the autoencoder's layers in its authors' code, or diffusers' if it has those. */
export function qwenImageVaeNames({ has, names }: FileNames): Naming {
  return has("encoder.conv1.weight") ? new LayerNames(pairs(names)) : DIFFUSERS_NAMES;
}

function* pairs(names: readonly string[]): Generator<NamePair> {
  yield ["conv1", "quant_conv"];
  yield ["conv2", "post_quant_conv"];
  for (const half of ["encoder", "decoder"]) {
    yield [`${half}.conv1`, `${half}.conv_in`];
    yield* inside(`${half}.middle.0`, `${half}.mid_block.resnets.0`, RESNET);
    yield [`${half}.middle.1`, `${half}.mid_block.attentions.0`];
    yield* inside(`${half}.middle.2`, `${half}.mid_block.resnets.1`, RESNET);
    yield [`${half}.head.0`, `${half}.norm_out`];
    yield [`${half}.head.2`, `${half}.conv_out`];
  }
  for (let i = 0; i < levelsOf(names, /^encoder\.downsamples\.(\d{1,2})\./); i++) {
    yield* inside(`encoder.downsamples.${i}`, `encoder.down_blocks.${i}`, RESNET);
    // Layers that halve the picture keep their names.
    for (const name of ["resample", "time_conv"]) yield [`encoder.downsamples.${i}.${name}`, `encoder.down_blocks.${i}.${name}`];
  }
  const first = names.flatMap((name) => /^decoder\.upsamples\.(\d{1,2})\.resample\./.exec(name)?.[1] ?? []).map(Number);
  const resnets = Math.min(...first);
  for (let i = 0; i < levelsOf(names, /^decoder\.upsamples\.(\d{1,2})\./); i++) {
    const [level, layer] = Number.isFinite(resnets) ? [Math.floor(i / (resnets + 1)), i % (resnets + 1)] : [0, i];
    if (layer === resnets) yield [`decoder.upsamples.${i}`, `decoder.up_blocks.${level}.upsamplers.0`];
    else yield* inside(`decoder.upsamples.${i}`, `decoder.up_blocks.${level}.resnets.${layer}`, RESNET);
  }
}

/** The autoencoder of Qwen-Image and Wan. The statistics of its latents are diffusers' defaults. */
export const QWEN_IMAGE_VAE = {
  className: "AutoencoderKLQwenImage",
  config(weights: Weights): JsonObject {
    const names = weights.names();
    const [baseDim = 1, inputChannels = 0] = weights.shapeOf("encoder.conv_in.weight");
    const levels = levelsOf(names, /^decoder\.up_blocks\.(\d{1,2})\./);
    const widths = Array.from({ length: levels }, (_, i) => weights.shapeOf(`decoder.up_blocks.${i}.resnets.0.conv2.weight`)[0] ?? 0);
    return {
      _class_name: "AutoencoderKLQwenImage",
      base_dim: baseDim,
      z_dim: (weights.shapeOf("quant_conv.weight")[0] ?? 0) / 2,
      dim_mult: widths.toReversed().map((width) => width / baseDim),
      num_res_blocks: levelsOf(names, /^decoder\.up_blocks\.0\.resnets\.(\d{1,2})\./) - 1,
      temperal_downsample: widths
        .slice(1)
        .map((_, i) => weights.has(`decoder.up_blocks.${i}.upsamplers.0.time_conv.weight`))
        .toReversed(),
      input_channels: inputChannels,
    };
  },
};
