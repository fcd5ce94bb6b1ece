import { ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { add, shift } from "../graph/ops/elementwise.js";
import { groupNormalize } from "../graph/ops/norms.js";
import { filtered, reflected, spread } from "../graph/ops/resampling.js";
import { concat, reshape, split, transpose } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { pageTurn } from "../page-turn.js";
import { multiHeadAttention } from "./attention.js";
import { ACTIVATIONS, type Activation, conv, layerNorm, linear } from "./basic.js";

// The blocks of the latent upscaler (Crowson, k-diffusion's ImageDenoiserModelV1). Their norms have no weights of their own: the time
// embedding makes gain and offset.

/** Channels of a group in the norms. */
const GROUP = 32;

/** What the blocks of one network share. */
export interface KBlockOptions {
  /** Resnet blocks in each block. */
  readonly layers: number;
  readonly activation: Activation;
  /** Added to the variance in the resnet blocks' norms. */
  readonly epsilon: number;
}

/** Attention after each resnet block: to the context [batch, tokens, features]. */
export interface KAttention {
  readonly context: Value;
  /** Channels of a head. */
  readonly headWidth: number;
}

/** One block of a network. */
interface KBlock extends KBlockOptions {
  readonly channels: number;
  readonly attention: KAttention | undefined;
  readonly attendsToItself: boolean;
}

/** Resnet blocks, each followed by attention if there is any. Matches diffusers' KDownBlock2D and KCrossAttnDownBlock2D. */
export async function kDownBlock(
  x: Value,
  temb: Value,
  w: Scope,
  { channels, layers, attention, attendsToItself, ...options }: KBlock,
): Promise<Value> {
  let h = x;
  for (let i = 0; i < layers; i++) {
    await pageTurn();
    h = resnet(h, temb, w.at("resnets", i), { channels, outChannels: channels, groupsOut: groupsOf(channels), ...options });
    if (attention) h = attend(h, temb, w.at("attentions", i), attention, attendsToItself);
  }
  return h;
}

/**
 * As {@link kDownBlock}, for x already joined with its skip. The last resnet block makes the `outChannels` of the next level. Matches
 * diffusers' KUpBlock2D and KCrossAttnUpBlock2D.
 */
export async function kUpBlock(
  x: Value,
  temb: Value,
  w: Scope,
  { channels, outChannels, layers, attention, attendsToItself, ...options }: KBlock & { readonly outChannels: number },
): Promise<Value> {
  let h = x;
  for (let i = 0; i < layers; i++) {
    await pageTurn();
    const last = i === layers - 1 ? outChannels : channels;
    // Without attention, both convolutions of the last block have the new number of channels, but its norms keep their groups.
    const inner = attention ? channels : last;
    h = resnet(h, temb, w.at("resnets", i), { channels: inner, outChannels: last, groupsOut: groupsOf(channels), ...options });
    if (attention) h = attend(h, temb, w.at("attentions", i), attention, attendsToItself);
  }
  return h;
}

/** The skip's channels after those of x, if there is a skip. */
export function joinKSkip(x: Value, skip: Value | undefined): Value {
  return skip ? concat([x, skip], 1) : x;
}

const TAPS = [1 / 8, 3 / 8, 3 / 8, 1 / 8];

/** Half the height and width, by a filter of 4 x 4 pixels; the picture is mirrored at its edges. Matches diffusers' KDownsample2D. */
export function kDownsample(x: Value): Value {
  return filtered(reflected(x), TAPS, { stride: 2 });
}

/** Twice the height and width, as {@link kDownsample}. Matches diffusers' KUpsample2D. */
export function kUpsample(x: Value): Value {
  return filtered(
    spread(reflected(x)),
    TAPS.map((tap) => 2 * tap),
  );
}

function groupsOf(channels: number): number {
  if (channels < GROUP) throw new ConfigError(`block_out_channels has ${channels}; K blocks need at least ${GROUP} channels`);
  return Math.floor(channels / GROUP);
}

/** Matches diffusers' ResnetBlockCondNorm2D. */
function resnet(
  x: Value,
  temb: Value,
  w: Scope,
  options: Omit<KBlockOptions, "layers"> & { readonly channels: number; readonly outChannels: number; readonly groupsOut: number },
): Value {
  const { channels, outChannels, groupsOut, activation, epsilon } = options;
  const activate = ACTIVATIONS[activation];
  const inChannels = x.shape[1] ?? 0;
  let h = conv(activate(adaptiveNorm(x, temb, w.at("norm1"), groupsOf(inChannels), epsilon)), w.at("conv1"), channels);
  h = conv(activate(adaptiveNorm(h, temb, w.at("norm2"), groupsOut, epsilon)), w.at("conv2"), outChannels);
  return add(inChannels === outChannels ? x : conv(x, w.at("conv_shortcut"), outChannels, { kernel: 1 }), h);
}

/** Matches diffusers' KAttentionBlock. */
function attend(x: Value, temb: Value, w: Scope, { context, headWidth }: KAttention, attendsToItself: boolean): Value {
  const [batch = 1, channels = 0, height = 0, width = 0] = x.shape;
  const heads = Math.floor(channels / headWidth);
  if (heads === 0) throw new ConfigError(`attention_head_dim is ${headWidth}; a block has only ${channels} channels`);
  const attended = (h: Value, norm: Scope, layer: Scope, to?: Value) => {
    const normed = adaptiveNorm(h, temb, norm, Math.max(1, Math.floor(channels / GROUP)), 1e-5);
    const tokens = transpose(reshape(normed, [batch, channels, height * width]), [0, 2, 1]);
    const result = multiHeadAttention(tokens, to ?? tokens, layer, heads, heads * headWidth);
    return add(reshape(transpose(result, [0, 2, 1]), [batch, channels, height, width]), h);
  };
  const h = attendsToItself ? attended(x, w.at("norm1"), w.at("attn1")) : x;
  return attended(h, w.at("norm2"), w.at("attn2"), layerNorm(context, w.at("attn2", "norm_cross")));
}

/** A group norm whose gain and offset come from the time embedding [batch or 1, width]. Matches diffusers' AdaGroupNorm. */
function adaptiveNorm(x: Value, temb: Value, w: Scope, groups: number, epsilon: number): Value {
  const channels = x.shape[1] ?? 0;
  const projected = reshape(linear(temb, w.at("linear"), 2 * channels), [-1, 2 * channels, 1, 1]);
  const [gain, offset] = split(projected, 1, 2) as [Value, Value];
  return groupNormalize(x, groups, epsilon, shift(gain, 1), offset);
}
