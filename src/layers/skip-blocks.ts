import type { Value } from "../graph/graph.js";
import { silu } from "../graph/ops/activations.js";
import { add } from "../graph/ops/elementwise.js";
import { filtered, spread } from "../graph/ops/resampling.js";
import { concat } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { pageTurn } from "../page-turn.js";
import { pixelAttention } from "./attention.js";
import { conv, groupNorm } from "./basic.js";
import { type ResnetOptions, resnetBlock } from "./resnet.js";

// The blocks of NCSN++ (Song et al. 2021, arXiv:2011.13456, appendix H): beside the network's values, the picture itself is halved and
// enters every level, and a picture is summed up from every level.

/** What the blocks of one network share; norms have groups of their own. */
export interface SkipBlockOptions extends Omit<ResnetOptions, "groups" | "groupsOut" | "outputScale" | "resample"> {
  readonly channels: number;
  /** Resnet blocks. */
  readonly layers: number;
  /** Attention over pixels: channels of a head, undefined for one head with all; null: no attention. */
  readonly attention: { readonly headWidth: number | undefined } | null;
  /** Whether it is the block that changes no size: the coarsest down block, or the finest up block. */
  readonly isLast: boolean;
}

/** The sum of two values of unit variance is divided by it. */
const SUM_SCALE = Math.SQRT2;
/** Groups of the norm before attention. */
const ATTENTION_GROUPS = 32;

/** Groups of a norm. Matches diffusers' rule for these blocks. */
function groupsOf(channels: number): number {
  return Math.min(Math.floor(channels / 4), 32);
}

/**
 * Down block. `picture` is the network's input, halved as often as the values; the result has it halved once more. Matches diffusers'
 * SkipDownBlock2D and AttnSkipDownBlock2D.
 */
export async function skipDownBlock(
  x: Value,
  picture: Value,
  temb: Value,
  w: Scope,
  { channels, layers, attention, isLast, ...resnet }: SkipBlockOptions,
): Promise<{ readonly skips: readonly Value[]; readonly picture: Value }> {
  const skips: Value[] = [];
  let h = x;
  for (let i = 0; i < layers; i++) {
    await pageTurn();
    const groups = groupsOf(h.shape[1] ?? 0);
    h = resnetBlock(h, temb, w.at("resnets", i), channels, { ...resnet, groups, groupsOut: groupsOf(channels), outputScale: SUM_SCALE });
    if (attention) h = attend(h, w.at("attentions", i), attention.headWidth, resnet.epsilon);
    skips.push(h);
  }
  if (isLast) return { skips, picture };
  const groups = groupsOf(channels);
  h = resnetBlock(h, temb, w.at("resnet_down"), channels, { ...resnet, groups, outputScale: SUM_SCALE, resample: halved });
  const smaller = halved(picture);
  return { skips: [...skips, add(conv(smaller, w.at("skip_conv"), channels, { kernel: 1 }), h)], picture: smaller };
}

/**
 * Up block. `picture` is the sum of the coarser levels' pictures, undefined in the coarsest. Matches diffusers' SkipUpBlock2D and
 * AttnSkipUpBlock2D.
 */
export async function skipUpBlock(
  x: Value,
  skips: Value[],
  picture: Value | undefined,
  temb: Value,
  w: Scope,
  { channels, layers, attention, isLast, ...resnet }: SkipBlockOptions,
): Promise<{ readonly x: Value; readonly picture: Value | undefined }> {
  let h = x;
  for (let i = 0; i < layers; i++) {
    await pageTurn();
    const skip = skips.pop();
    const groups = joinedGroups(h, skip, attention !== null);
    h = resnetBlock(skip ? concat([h, skip], 1) : h, temb, w.at("resnets", i), channels, {
      ...resnet,
      groups,
      groupsOut: groupsOf(channels),
      outputScale: SUM_SCALE,
    });
  }
  if (attention) h = attend(h, w.at("attentions", 0), attention.headWidth, resnet.epsilon);
  const larger = picture && doubled(picture);
  if (isLast) return { x: h, picture: larger };
  const groups = groupsOf(channels);
  const own = conv(silu(groupNorm(h, w.at("skip_norm"), groups, resnet.epsilon)), w.at("skip_conv"), PICTURE_CHANNELS);
  h = resnetBlock(h, temb, w.at("resnet_up"), channels, { ...resnet, groups, outputScale: SUM_SCALE, resample: doubled });
  return { x: h, picture: larger ? add(larger, own) : own };
}

/** diffusers' blocks make pictures of three channels, whatever the network takes. */
const PICTURE_CHANNELS = 3;

/** diffusers divides the channels of the skip alone by 4 in blocks with attention. */
function joinedGroups(x: Value, skip: Value | undefined, hasAttention: boolean): number {
  const [own, joined] = [x.shape[1] ?? 0, skip?.shape[1] ?? 0];
  return hasAttention ? Math.min(own + Math.floor(joined / 4), 32) : groupsOf(own + joined);
}

function attend(x: Value, w: Scope, headWidth: number | undefined, epsilon: number): Value {
  return pixelAttention(x, w, { headWidth, groups: ATTENTION_GROUPS, epsilon, outputScale: SUM_SCALE });
}

const TAPS = [1 / 8, 3 / 8, 3 / 8, 1 / 8];

/** Half the height and width, by a filter of 4 x 4 pixels; zeros surround the picture. Matches diffusers' FirDownsample2D. */
function halved(x: Value): Value {
  return filtered(x, TAPS, { stride: 2, padding: 1 });
}

/** Twice the height and width, as {@link halved}. Matches diffusers' FirUpsample2D. */
function doubled(x: Value): Value {
  return filtered(
    spread(x),
    TAPS.map((tap) => 2 * tap),
    { padding: 2 },
  );
}
