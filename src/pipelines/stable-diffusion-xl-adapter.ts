import type { ModelIndex } from "../checkpoint/model-index.js";
import { XL_WORKFLOWS } from "../families/stable-diffusion-xl.js";
import type { T2IAdapter } from "../models/t2i-adapter.js";
import { type Fields, real } from "../options/fields.js";
import {
  ADAPTER_FIELDS,
  ADAPTER_PARTS,
  type AdapterComponents,
  type AdapterOptions,
  adaptersOf,
  loadAdapters,
  prepareAdapters,
} from "./adapters/t2i-adapters.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, expectParts } from "./shared/components.js";
import type { Control, ControlTurn } from "./shared/control.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import { isInside, TIMESTEP_RANGE_FIELDS, type TimestepRangeOptions } from "./shared/timesteps.js";
import {
  loadStableDiffusionXL,
  noiseTimeIds,
  type Pair,
  StableDiffusionXLBase,
  type StableDiffusionXLCommonRequest,
  type StableDiffusionXLComponents,
  type StableDiffusionXLSettings,
  settingsXL,
  type TimeIds,
  XL_FIELDS,
  XL_PARTS,
} from "./stable-diffusion-xl-base.js";

/** The options of a text-to-image call of XL with T2I-Adapters. */
export interface StableDiffusionXLAdapterOptions
  extends StableDiffusionXLCommonRequest,
    SizeOptions,
    NoiseOptions,
    AdapterOptions,
    Pick<TimestepRangeOptions, "denoisingEnd"> {
  /**
   * The share of the steps, 0..1, in which the adapters act: 1 by default. As in diffusers, timesteps are counted, and schedulers of order
   * 2 have nearly two for each step.
   */
  readonly adapterConditioningFactor?: number | undefined;
}

const FIELDS: Fields<StableDiffusionXLAdapterOptions> = {
  ...XL_FIELDS,
  ...SIZE_FIELDS,
  ...ADAPTER_FIELDS,
  adapterConditioningFactor: real(0, 1),
  denoisingEnd: TIMESTEP_RANGE_FIELDS.denoisingEnd,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionXLAdapterPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionXLAdapterRequest = Prompted<StableDiffusionXLAdapterOptions>;

/** The parts of Stable Diffusion XL with one or several T2I-Adapters. */
export interface StableDiffusionXLAdapterComponents extends StableDiffusionXLComponents, AdapterComponents {}

const PARTS: Fields<StableDiffusionXLAdapterComponents> = { ...XL_PARTS, ...ADAPTER_PARTS };

/**
 * Makes pictures from texts with Stable Diffusion XL, steered by T2I-Adapters (Mou et al. 2023). They see a picture once, so they cost less
 * time than ControlNets. Matches diffusers' StableDiffusionXLAdapterPipeline.
 */
export class StableDiffusionXLAdapterPipeline extends StableDiffusionXLBase<StableDiffusionXLAdapterRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLAdapterPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionXLAdapterPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = XL_WORKFLOWS["adapter-noise"].defaults;
  protected override readonly interleavesTimeIds = true;

  /** The T2I-Adapters; their features are added up. */
  adapter: readonly T2IAdapter[];

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLAdapterComponents, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    expectParts(StableDiffusionXLAdapterPipeline.className, components, PARTS);
    super(components, settings, source);
    this.adapter = adaptersOf(components);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): StableDiffusionXLAdapterComponents {
    return super.components as StableDiffusionXLAdapterComponents;
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLAdapterComponents>,
  ): Promise<StableDiffusionXLAdapterPipeline> {
    const [components, adapter] = await Promise.all([loadStableDiffusionXL(source, given), loadAdapters(source, given)]);
    return new StableDiffusionXLAdapterPipeline({ ...components, adapter }, settingsXL(index), source);
  }

  protected override control(call: Call<StableDiffusionXLAdapterRequest>): Promise<Control> {
    const { adapterConditioningFactor: factor = 1, denoisingEnd } = call.request;
    const actsAt = ({ index, turns: { taken } }: ControlTurn) =>
      index < Math.trunc((isInside(denoisingEnd) ? taken : (call.timestepOptions.numInferenceSteps ?? taken)) * factor);
    return prepareAdapters({ adapters: this.adapter, call, actsAt });
  }

  protected denoise(call: Call<StableDiffusionXLAdapterRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }

  protected timeIds(request: StableDiffusionXLAdapterRequest, size: Pair): TimeIds {
    return noiseTimeIds(request, size);
  }
}
