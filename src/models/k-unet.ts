import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { repeatBatch } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { joinKSkip, type KAttention, kDownBlock, kDownsample, kUpBlock, kUpsample } from "../layers/k-blocks.js";
import type { Tensor } from "../tensor/tensor.js";
import type { UNet2DConditionConfig } from "./unet-2d-condition-config.js";
import { level } from "./unet-encoder.js";

/** Inputs that only UNets of ordinary blocks take. */
const ORDINARY = [
  ...(["downBlockAdditionalResiduals", "midBlockAdditionalResidual", "downIntrablockAdditionalResiduals"] as const),
  ...(["cacheBranch", "deepFeature", "perturbed", "freeU", "tokenMerging", "ipAdapterMasks", "imageEmbeds"] as const),
];

/** @throws ArgumentError for a sample or for inputs that a UNet of K blocks does not take. */
export function expectKInputs(
  sample: Tensor,
  inputs: { readonly [Name in (typeof ORDINARY)[number]]?: unknown },
  { blockOutChannels }: UNet2DConditionConfig,
): void {
  const other = ORDINARY.find((name) => inputs[name] !== undefined);
  if (other)
    throw new ArgumentError(`${other} was given; a UNet of K blocks, as the latent upscaler's, does not take it`, { argument: other });
  const multiple = 2 ** (blockOutChannels.length - 1);
  // The filters mirror the picture at its edges, so the coarsest level needs two pixels along each side.
  if (sample.shape.slice(2).every((side) => side % multiple === 0 && side >= 2 * multiple)) return;
  throw new ArgumentError(
    `sample is [${sample.shape}]; this UNet of K blocks takes heights and widths that are multiples of ${multiple}, from ${2 * multiple}`,
    { argument: "sample" },
  );
}

/**
 * Down and up blocks of a UNet of K blocks; x is the result of the first convolution. Each down block leaves one skip, its result before
 * the downsampling; the coarsest leaves none if it has attention.
 */
export async function kBlocks(first: Value, temb: Value, context: Value, w: Scope, config: UNet2DConditionConfig): Promise<Value> {
  const { blockOutChannels, actFn: activation, normEps: epsilon, attentionHeadDim } = config;
  const last = blockOutChannels.length - 1;
  const options = { activation, epsilon };
  const attention = (type: string, i: number): KAttention | undefined =>
    type.startsWith("KCrossAttn") ? { context, headWidth: level(attentionHeadDim, i) } : undefined;

  let h = repeatBatch(first, Math.max(first.shape[0] ?? 1, temb.shape[0] ?? 1, context.shape[0] ?? 1));
  const skips: (Value | undefined)[] = [];
  for (const [i, type] of config.downBlockTypes.entries()) {
    const own = attention(type, i);
    h = await kDownBlock(h, temb, w.at("down_blocks", i), {
      ...options,
      channels: blockOutChannels[i] ?? 0,
      layers: level(config.layersPerBlock, i),
      attention: own,
      attendsToItself: i === last,
    });
    skips.push(own && i === last ? undefined : h);
    if (i < last) h = kDownsample(h);
  }
  for (const [j, type] of config.upBlockTypes.entries()) {
    const i = last - j;
    const [channels = 0, outChannels = 0] = [blockOutChannels[i], blockOutChannels[Math.max(0, i - 1)]];
    h = await kUpBlock(joinKSkip(h, skips.pop()), temb, w.at("up_blocks", j), {
      ...options,
      channels,
      outChannels,
      layers: level(config.layersPerBlock, i),
      // As in diffusers, the widths of heads are those of the down blocks in their own order.
      attention: attention(type, j),
      attendsToItself: channels === outChannels && channels === temb.shape[1],
    });
    if (i > 0) h = kUpsample(h);
  }
  return h;
}
