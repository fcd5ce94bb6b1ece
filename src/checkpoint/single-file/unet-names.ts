import { inside, LayerNames, type NamePair } from "./layer-names.js";

// In the original code a UNet is two lists of blocks, down and up. diffusers groups the blocks into levels.

/** The layout of a UNet, which determines the numbers in its layers' names. */
export interface UNetLayout {
  /** Resnet blocks of each level on the way down. On the way up, each level has one more. */
  readonly layers: readonly number[];
  /**
   * For each level on the way up, the deepest first, whether it reads text. If it does, the upsampling is a block's third layer, otherwise
   * the second.
   */
  readonly attendsUp: readonly boolean[];
}

const RESNET: readonly NamePair[] = [
  ["in_layers.0", "norm1"],
  ["in_layers.2", "conv1"],
  ["emb_layers.1", "time_emb_proj"],
  ["out_layers.0", "norm2"],
  ["out_layers.3", "conv2"],
  ["skip_connection", "conv_shortcut"],
];

const TIME_AND_INPUT: readonly NamePair[] = [
  ["time_embed.0", "time_embedding.linear_1"],
  ["time_embed.2", "time_embedding.linear_2"],
  ["time_embed.cond_proj", "time_embedding.cond_proj"],
  ["input_blocks.0.0", "conv_in"],
];

const OUTPUT: readonly NamePair[] = [
  ["out.0", "conv_norm_out"],
  ["out.2", "conv_out"],
];

/** The layout of a UNet or a ControlNet whose tensors have the original names. */
export function originalLayout(names: Iterable<string>): UNetLayout {
  const layers = [0];
  const attending = new Set<number>();
  const ends = new Set<number>();
  let last = 0;
  for (const name of names) {
    const [, way, index = "", rest = ""] = /^(input|output)_blocks\.(\d{1,2})\.(.*)$/.exec(name) ?? [];
    if (way === "input") {
      last = Math.max(last, Number(index));
      if (rest.startsWith("0.op.")) ends.add(Number(index));
    } else if (way === "output" && rest.startsWith("1.") && !rest.startsWith("1.conv.")) attending.add(Number(index));
  }
  for (let index = 1; index <= last; index++) {
    if (ends.has(index)) layers.push(0);
    else layers.push((layers.pop() ?? 0) + 1);
  }
  let first = 0;
  const attendsUp = layers.toReversed().map((count) => {
    first += count + 1;
    return attending.has(first - 1);
  });
  return { layers, attendsUp };
}

/** The layout of a UNet or a ControlNet whose tensors have diffusers' names. */
export function diffusersLayout(names: Iterable<string>): UNetLayout {
  const layers: number[] = [];
  const attendsUp: boolean[] = [];
  for (const name of names) {
    const [, way, i = "", kind, j = ""] = /^(down|up)_blocks\.(\d{1,2})\.(resnets|attentions)\.(\d{1,2})\./.exec(name) ?? [];
    const level = Number(i);
    if (way === "down" && kind === "resnets") layers[level] = Math.max(layers[level] ?? 0, Number(j) + 1);
    if (way === "up") attendsUp[level] ||= kind === "attentions";
  }
  return { layers: Array.from(layers, (count) => count ?? 0), attendsUp: Array.from(attendsUp, Boolean) };
}

/** The names of a UNet's layers. `labels` is the layer that embeds sizes and crops (XL) or a class. */
export function unetNames(layout: UNetLayout, labels: "add_embedding" | "class_embedding" = "add_embedding"): LayerNames {
  return new LayerNames([...wayDown(layout, labels), ...wayUp(layout), ...OUTPUT]);
}

/**
 * The names of a ControlNet's layers: a UNet's way down, zero convolutions, and the embedding of the control picture. `hints` are the
 * numbers of that embedding's convolutions; the numbers between them are activations.
 */
export function controlNetNames(layout: UNetLayout, hints: readonly number[]): LayerNames {
  const hintLayer = (i: number) => (i === 0 ? "conv_in" : i === hints.length - 1 ? "conv_out" : `blocks.${i - 1}`);
  const skips = layout.layers.reduce((sum, count) => sum + count + 1, 0);
  return new LayerNames([
    ...wayDown(layout, "add_embedding"),
    ...hints.map((number, i): NamePair => [`input_hint_block.${number}`, `controlnet_cond_embedding.${hintLayer(i)}`]),
    ...Array.from({ length: skips }, (_, i): NamePair => [`zero_convs.${i}.0`, `controlnet_down_blocks.${i}`]),
    ["middle_block_out.0", "controlnet_mid_block"],
  ]);
}

function* wayDown({ layers }: UNetLayout, labels: string): Generator<NamePair> {
  yield* TIME_AND_INPUT;
  yield ["label_emb.0.0", `${labels}.linear_1`];
  yield ["label_emb.0.2", `${labels}.linear_2`];
  let block = 1;
  for (const [i, count] of layers.entries()) {
    for (let j = 0; j < count; j++) {
      yield* inside(`input_blocks.${block}.0`, `down_blocks.${i}.resnets.${j}`, RESNET);
      yield [`input_blocks.${block++}.1`, `down_blocks.${i}.attentions.${j}`];
    }
    if (i < layers.length - 1) yield [`input_blocks.${block++}.0.op`, `down_blocks.${i}.downsamplers.0.conv`];
  }
  yield* inside("middle_block.0", "mid_block.resnets.0", RESNET);
  yield ["middle_block.1", "mid_block.attentions.0"];
  yield* inside("middle_block.2", "mid_block.resnets.1", RESNET);
}

function* wayUp({ layers, attendsUp }: UNetLayout): Generator<NamePair> {
  let block = 0;
  for (const [i, count] of layers.toReversed().entries()) {
    for (let j = 0; j <= count; j++) {
      yield* inside(`output_blocks.${block}.0`, `up_blocks.${i}.resnets.${j}`, RESNET);
      yield [`output_blocks.${block++}.1`, `up_blocks.${i}.attentions.${j}`];
    }
    if (i < layers.length - 1) yield [`output_blocks.${block - 1}.${attendsUp[i] ? 2 : 1}.conv`, `up_blocks.${i}.upsamplers.0.conv`];
  }
}
