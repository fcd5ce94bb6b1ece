import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { Value } from "../graph/graph.js";
import { addBatches, scale, shift } from "../graph/ops/elementwise.js";
import type { Scope } from "../graph/scope.js";
import type { Perturbation } from "../layers/attention.js";
import { ACTIVATIONS, conv, groupNorm, linear } from "../layers/basic.js";
import { upBlock } from "../layers/unet-blocks.js";
import { checkOptions } from "../options/check-options.js";
import { anyNumber, type Fields, field, group, real, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { DType } from "../tensor/dtype.js";
import { concat, sizeOf, Tensor } from "../tensor/tensor.js";
import { expectFreeU, FREEU_FIELDS, type FreeUFactors, freeUOf } from "./freeu.js";
import { type IPAdapterInputs, type IPAdapterProjections, IPAdapters } from "./ip-adapters.js";
import { expectKInputs, kBlocks } from "./k-unet.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";
import { layersMatching, PERTURBED_FIELDS, type PerturbedRows } from "./perturbed-attention.js";
import { MOST_MERGED } from "./token-merging.js";
import { checkUNet2DCondition, hasKBlocks, type UNet2DConditionConfig, unet2DConditionSchema } from "./unet-2d-condition-config.js";
import {
  blockAttention,
  CONDITION_FIELDS,
  downBlocks,
  type IntrablockResidual,
  isAlike,
  level,
  type Motion,
  middle,
  resnetsOf,
  timeEmbedding,
  type UNetConditions,
  unetFeeds,
} from "./unet-encoder.js";

/** The conditions of a prediction, a ControlNet's residuals, and step caching. */
export interface UNet2DConditionInputs extends UNetConditions, IPAdapterInputs {
  /** Embedding of the guidance scale [batch, time_cond_proj_dim] for distilled networks (latent consistency models). */
  readonly timestepCond?: Tensor | undefined;
  /** A ControlNet's residuals, one for each skip. */
  readonly downBlockAdditionalResiduals?: readonly Tensor[] | undefined;
  /** A ControlNet's residual for the middle block. */
  readonly midBlockAdditionalResidual?: Tensor | undefined;
  /**
   * A T2I-Adapter's features, one for each down block [batch, channels, height, width], the finest first. A further one of the middle
   * block's shape is added there. There may be fewer.
   */
  readonly downIntrablockAdditionalResiduals?: readonly Tensor[] | undefined;
  /** Step caching: the branch whose deep feature is returned, from 0, the shallowest, to {@link UNet2DConditionModel.cacheBranches} - 1. */
  readonly cacheBranch?: number | undefined;
  /**
   * The deep feature that an earlier pass returned for that branch. It replaces the deeper blocks: only the shallower ones are computed. It
   * is handed over, not copied; this pass returns it for the next one.
   */
  readonly deepFeature?: Tensor | undefined;
  /** Perturbed-attention guidance: rows whose self-attention is perturbed in some layers. */
  readonly perturbed?: PerturbedRows | undefined;
  /** FreeU for this pass; by default that of {@link UNet2DConditionModel.enableFreeU}. */
  readonly freeU?: FreeUFactors | undefined;
  /** The share of tokens, 0 to 0.75, that are merged before the self-attention of the finest blocks that have any; none by default. */
  readonly tokenMerging?: number | undefined;
}

const TENSORS = field<readonly Tensor[]>(
  (value) => Array.isArray(value) && value.every((each) => each instanceof Tensor),
  "a list of float32 Tensors",
);

const MASKS = field<readonly (Tensor | null)[]>(
  (value) => Array.isArray(value) && value.every((each) => each === null || (each instanceof Tensor && each.dtype === "float32")),
  "a list with a float32 Tensor or null for each IP-Adapter",
);

const SCALES = field<NonNullable<UNet2DConditionInputs["ipAdapterScales"]>>(Array.isArray, "a list with a scale for each IP-Adapter");

const FIELDS: Fields<UNet2DConditionInputs> = {
  ...CONDITION_FIELDS,
  timestepCond: tensor,
  downBlockAdditionalResiduals: TENSORS,
  midBlockAdditionalResidual: tensor,
  downIntrablockAdditionalResiduals: TENSORS,
  cacheBranch: anyNumber,
  deepFeature: tensor,
  imageEmbeds: TENSORS,
  ipAdapterMasks: MASKS,
  ipAdapterScales: SCALES,
  freeU: group(FREEU_FIELDS),
  tokenMerging: real(0, MOST_MERGED),
  perturbed: group(PERTURBED_FIELDS),
};

/** The prediction, and the deep feature for cheaper passes. */
export interface UNet2DConditionOutput {
  /**
   * The noise, the velocity or the picture, as the scheduler's prediction_type says:
   * `[batch of encoderHiddenStates, out_channels, height, width]`.
   */
  readonly sample: Tensor;
  /** The deep feature, if a `cacheBranch` was given. */
  readonly deepFeature?: Tensor | undefined;
}

/**
 * DeepCache counts three branches for each level, the number of skips in Stable Diffusion's networks. In a level with fewer skips, branches
 * share the last.
 */
const BRANCHES_PER_LEVEL = 3;

/**
 * The denoising network of Stable Diffusion (Rombach et al. 2022; XL: Podell et al. 2023): a UNet whose transformers attend to text.
 * Matches diffusers' UNet2DConditionModel for the configs of Stable Diffusion 1.x, 2.x, XL base and refiner, inpainting and related models.
 */
export class UNet2DConditionModel extends Model<UNet2DConditionConfig> {
  protected override readonly runsOften = true;
  /** Its IP-Adapters. Pipelines load them with `loadIPAdapter`. @internal */
  readonly ipAdapters = new IPAdapters(this.weights, this.engine);
  private freeU: FreeUFactors | undefined;

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<UNet2DConditionModel> {
    return new UNet2DConditionModel(await openModel("UNet2DConditionModel", unet2DConditionSchema, source, options, checkUNet2DCondition));
  }

  /**
   * Opens the UNet of a single `.safetensors` file: a path, or the address of a file on the hub. The file holds the UNet alone or a whole
   * checkpoint, in the original layout or in that of diffusers. `config` is a folder or hub id whose config replaces the one that the file
   * suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<UNet2DConditionModel> {
    return UNet2DConditionModel.fromPretrained(...(await singleFileModel(path, "unet", options)));
  }

  /** The image projections of its IP-Adapters; null without any. */
  get encoderHidProj(): IPAdapterProjections | null {
    return this.ipAdapters.projections;
  }

  /** Frees the network's memory and that of its IP-Adapters, and stops its thread unless other models share it. */
  override async dispose(): Promise<void> {
    await this.ipAdapters.unload();
    await super.dispose();
  }

  /** Height and width of the latents it was trained on. */
  get sampleSize(): readonly [height: number, width: number] {
    const { sampleSize, _diffusersVersion = "1" } = this.config;
    if (Array.isArray(sampleSize)) return [sampleSize[0], sampleSize[1]];
    // Configs that were written before diffusers 0.9 say 32 for networks that were trained at 64.
    const size = sampleSize ?? 64;
    return size < 64 && /^0\.[0-8]\./.test(_diffusersVersion) ? [64, 64] : [size, size];
  }

  /**
   * Turns FreeU on (Si et al. 2023, arXiv:2309.11497): the first two up blocks amplify half of the backbone's channels by `b1` and `b2`,
   * and multiply the lowest frequencies of their skips by `s1` and `s2`. Good values are s1 0.9, s2 0.2, and b1 1.5, b2 1.6 for Stable
   * Diffusion 1.5, 1.4 and 1.6 for 2.1, 1.3 and 1.4 for XL. Matches diffusers' enable_freeu. All pipelines of this network have it.
   * @throws ArgumentError unless all are finite numbers other than 0
   */
  enableFreeU(factors: FreeUFactors): void {
    this.freeU = expectFreeU(checkOptions(factors, FREEU_FIELDS, { call: "enableFreeU" }));
  }

  /** Turns FreeU off. */
  disableFreeU(): void {
    this.freeU = undefined;
  }

  /** The number of branches for step caching: three for each level. */
  get cacheBranches(): number {
    return BRANCHES_PER_LEVEL * this.config.blockOutChannels.length;
  }

  /**
   * One prediction for noisy latents `sample` [batch, in_channels, height, width] at `timestep`, one number or one per picture [batch]. If
   * `encoderHiddenStates` has n times the batch, as with classifier-free guidance, it predicts for n copies of `sample`, one whole batch
   * after another. What the copies share is computed once.
   *
   * With a `cacheBranch` the deep feature is returned, too. With a `deepFeature` only the shallow part is computed (DeepCache, Ma et al.
   * 2023).
   * @throws ArgumentError if a shape is wrong, an input is missing or not used by this network, or there is no such branch.
   */
  async forward(sample: Tensor, timestep: number | Tensor | Tensor<"int64">, given: UNet2DConditionInputs): Promise<UNet2DConditionOutput> {
    return this.predict(sample, timestep, this.checked(given));
  }

  /** The checked inputs of `forward`. @throws ArgumentError */
  protected checked(given: UNet2DConditionInputs): UNet2DConditionInputs {
    return checkOptions(given, FIELDS, { call: `${this.className}.forward` });
  }

  /** The prediction of `forward`. With `motion`, the rows of `sample` and of the inputs are the frames of videos. */
  protected async predict(
    sample: Tensor,
    timestep: number | Tensor | Tensor<"int64">,
    inputs: UNet2DConditionInputs,
    motion?: Motion,
  ): Promise<UNet2DConditionOutput> {
    const { timeCondProjDim, encoderHidDim, crossAttentionDim } = this.config;
    const { cacheBranch, deepFeature, freeU = this.freeU, perturbed, tokenMerging: mergeRatio = 0 } = inputs;
    const isPerturbed = perturbed && layersMatching(perturbed.layers, this.weights);
    if (freeU) expectFreeU(freeU);
    if (hasKBlocks(this.config)) expectKInputs(sample, { ...inputs, freeU }, this.config);
    const cut = cacheBranch === undefined ? undefined : this.skipOf(cacheBranch);
    if (deepFeature) expectDeepFeature(deepFeature, cut);
    // The deep feature includes the ControlNet's residuals for deeper skips.
    const isShallow = deepFeature !== undefined && cut !== undefined;
    const residuals = inputs.downBlockAdditionalResiduals?.slice(0, isShallow ? cut + 1 : undefined) ?? [];
    const checked = unetFeeds("UNet", sample, timestep, inputs, this.config, encoderHidDim ?? level(crossAttentionDim, 0));
    const call = { rows: inputs.encoderHiddenStates.shape[0] ?? 1, levels: levelsOf(sample, this.config) };
    const images = await this.ipAdapters.apply(inputs, call);
    const feeds: Record<string, Tensor<DType>> = {
      ...images.feeds,
      ...checked,
      ...(inputs.timestepCond && timeCondProjDim && { timestep_cond: inputs.timestepCond }),
      ...(inputs.midBlockAdditionalResidual && !isShallow && { mid_residual: inputs.midBlockAdditionalResidual }),
      ...Object.fromEntries(residuals.map((residual, i) => [`down_residual_${i}`, residual])),
      ...Object.fromEntries(inputs.downIntrablockAdditionalResiduals?.map((residual, i) => [`intrablock_${i}`, residual]) ?? []),
      ...(isShallow && { deep_feature: deepFeature }),
    };
    const frames = motion ? `, ${motion.frames} frames` : "";
    const name = `${cut === undefined ? "unet" : `unet cut at ${cut}`}${frames}${images.key}${freeU ? `, FreeU ${Object.values(freeU)}` : ""}${mergeRatio > 0 ? `, ${mergeRatio} merged` : ""}`;
    const build = (perturbs: Perturbation | undefined) => (values: Readonly<Record<string, Value | undefined>>, w: Scope) =>
      unet(values, w.with(images.prompts(values)), { ...this.config, perturbs, mergeRatio }, { cut, freeU, motion });
    const running = { lent: isShallow ? ["deep_feature"] : [], takingTurns: cut === undefined ? 1 : 2 };
    // With guidance, one row at a time takes half the working memory of two, and 8 % more time.
    const batch = inputs.encoderHiddenStates.shape[0] ?? 1;
    const size = motion?.frames ?? 1;
    const rows = this.savesMemory ? inParts(feeds, batch, size) : [feeds];
    const results: Readonly<Record<string, Tensor>>[] = [];
    for (const [i, row] of rows.entries()) {
      const count = perturbed ? (rows.length === 1 ? perturbed.rows : i * size >= batch - perturbed.rows ? size : 0) : 0;
      const perturbs = isPerturbed && count > 0 ? { isIn: isPerturbed, rows: count } : undefined;
      const part = perturbs ? `${name}, ${count} perturbed in ${perturbed?.layers}` : name;
      results.push(await this.run(part, row, build(perturbs), running));
    }
    const joined = (name: string) => (results.length === 1 ? results[0]?.[name] : concat(results.map((result) => result[name] as Tensor)));
    return { sample: joined("prediction") as Tensor, ...(cut !== undefined && { deepFeature: joined("deep_feature") }) };
  }

  /** The skip, counted from the finest, at which a branch's deep feature enters. @throws ArgumentError if there is no such branch. */
  private skipOf(branch: number): number {
    const { layersPerBlock } = this.config;
    if (!Number.isInteger(branch) || branch < 0 || branch >= this.cacheBranches) {
      throw wrongArgument("cacheBranch", branch, `a whole number from 0 to ${this.cacheBranches - 1}`, { type: "number" });
    }
    const depth = Math.floor(branch / BRANCHES_PER_LEVEL);
    const above = Array.from({ length: depth }, (_, i) => level(layersPerBlock, i) + 1).reduce((sum, skips) => sum + skips, 0);
    return above + Math.min(branch % BRANCHES_PER_LEVEL, level(layersPerBlock, depth));
  }
}

/** Height and width of the values in each of the UNet's levels. */
function levelsOf({ shape }: Tensor, { blockOutChannels, downsamplePadding }: UNet2DConditionConfig): [height: number, width: number][] {
  const half = (side: number) => (downsamplePadding === 0 ? Math.floor(side / 2) : Math.ceil(side / 2));
  const levels: [number, number][] = [[shape[2] ?? 0, shape[3] ?? 0]];
  for (const _ of blockOutChannels.slice(1)) levels.push((levels.at(-1) as [number, number]).map(half) as [number, number]);
  return levels;
}

function expectDeepFeature(deepFeature: Tensor, cut: number | undefined): void {
  if (cut === undefined) throw new ArgumentError("a deepFeature was given without the cacheBranch it belongs to");
  if (deepFeature.data.length !== sizeOf(deepFeature.shape)) {
    throw new ArgumentError("this deepFeature was handed over to another pass", { hint: "use the one that that pass returned" });
  }
}

/** The feeds of each `size` rows of the batch. Feeds with fewer rows are repeated. */
function inParts(feeds: Readonly<Record<string, Tensor<DType>>>, batch: number, size = 1): Record<string, Tensor<DType>>[] {
  const part = ([name, tensor]: [string, Tensor<DType>], start: number): [string, Tensor<DType>] => {
    const [rows = 0] = tensor.shape;
    if (batch % rows !== 0) throw new ArgumentError(`${name} is [${tensor.shape}]; expected as many rows as the batch of ${batch}`);
    return [name, rows === 1 ? tensor : tensor.slice(start % rows, (start % rows) + size)];
  };
  return Array.from({ length: batch / size }, (_, index) =>
    Object.fromEntries(Object.entries(feeds).map((feed) => part(feed, index * size))),
  );
}

/**
 * The UNet's graph. With a `cut`, the value that meets the skip of that number is the deep feature: it becomes a second output, or an input
 * replaces it, so that the graph needs no deeper blocks.
 */
async function unet(
  inputs: Readonly<Record<string, Value | undefined>>,
  w: Scope,
  given: UNet2DConditionConfig & { readonly perturbs?: Perturbation | undefined; readonly mergeRatio?: number },
  {
    cut,
    freeU,
    motion,
  }: { readonly cut: number | undefined; readonly freeU: FreeUFactors | undefined; readonly motion: Motion | undefined },
): Promise<Readonly<Record<string, Value>>> {
  const { sample, timestep, encoder_hidden_states } = inputs as { sample: Value; timestep: Value; encoder_hidden_states: Value };
  const { blockOutChannels } = given;
  const context = given.encoderHidDim
    ? linear(encoder_hidden_states, w.at("encoder_hid_proj"), level(given.crossAttentionDim, 0))
    : encoder_hidden_states;
  const temb = timeEmbedding({ ...inputs, timestep }, w, given, given.actFn);
  const centered = given.centerInputSample ? shift(scale(sample, 2), -1) : sample;
  const first = conv(centered, w.at("conv_in"), blockOutChannels[0] ?? 0, { kernel: given.convInKernel });
  if (hasKBlocks(given)) return { prediction: lastLayers(await kBlocks(first, temb, context, w, given), w, given) };
  const config = { ...given, normNumGroups: given.normNumGroups ?? 0 };
  const steering = intrablockResiduals(inputs);
  const skips = await downBlocks(first, temb, context, w, config, steering, motion);
  let h = await middle(skips.at(-1) ?? first, temb, context, w, config, motion);

  const [rest] = steering;
  // As in diffusers, a feature of another shape is for a middle block that this UNet does not have.
  if (rest && isAlike(h, rest.value)) h = addBatches(h, rest.value);
  if (inputs.mid_residual) h = addBatches(h, inputs.mid_residual);
  for (const [i, skip] of skips.entries()) {
    const residual = inputs[`down_residual_${i}`];
    if (residual) skips[i] = addBatches(skip, residual);
  }

  let deepFeature: Value | undefined;
  const exchange = (below: Value, skip: number) => {
    if (skip !== cut) return below;
    if (!inputs.deep_feature) deepFeature = below;
    return inputs.deep_feature ?? below;
  };
  const last = blockOutChannels.length - 1;
  for (const [j, type] of config.upBlockTypes.entries()) {
    const i = last - j;
    const layers = config.reverseTransformerLayersPerBlock?.[j] ?? level(config.transformerLayersPerBlock, i);
    h = await upBlock(h, skips, temb, w.at("up_blocks", j), {
      channels: blockOutChannels[i] ?? 0,
      layers: level(config.layersPerBlock, i) + 1,
      ...resnetsOf(type, config),
      attention: blockAttention(i, type, layers, context, config, j),
      motion: motion?.inBlock(i),
      isLast: i === 0,
      exchange,
      // As in diffusers, other blocks stay as they are.
      freeU: freeU && /^(CrossAttn)?UpBlock2D$/.test(type) ? freeUOf(freeU, j) : undefined,
    });
  }
  return { prediction: lastLayers(h, w, config), ...(deepFeature && { deep_feature: deepFeature }) };
}

/** A norm, if the network has one there, and the last convolution. */
function lastLayers(x: Value, w: Scope, { normNumGroups, normEps, actFn, outChannels, convOutKernel }: UNet2DConditionConfig): Value {
  const h = normNumGroups === null ? x : ACTIVATIONS[actFn](groupNorm(x, w.at("conv_norm_out"), normNumGroups, normEps));
  return conv(h, w.at("conv_out"), outChannels, { kernel: convOutKernel });
}

/** A T2I-Adapter's features among the inputs, in the order of the blocks. */
function intrablockResiduals(inputs: Readonly<Record<string, Value | undefined>>): IntrablockResidual[] {
  const residuals: IntrablockResidual[] = [];
  for (let value = inputs.intrablock_0; value; value = inputs[`intrablock_${residuals.length}`])
    residuals.push({ name: `downIntrablockAdditionalResiduals[${residuals.length}]`, value });
  return residuals;
}
