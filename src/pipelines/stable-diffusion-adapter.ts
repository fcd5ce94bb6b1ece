import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import type { T2IAdapter } from "../models/t2i-adapter.js";
import type { Fields } from "../options/fields.js";
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
import type { Control } from "./shared/control.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-request.js";

/** The options of a text-to-image call with T2I-Adapters. */
export interface StableDiffusionAdapterOptions extends UNetRequest, SizeOptions, NoiseOptions, AdapterOptions {}

const FIELDS: Fields<StableDiffusionAdapterOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  ...ADAPTER_FIELDS,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionAdapterPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionAdapterRequest = Prompted<StableDiffusionAdapterOptions>;

/** The parts of Stable Diffusion with one or several T2I-Adapters. */
export interface StableDiffusionAdapterComponents extends StableDiffusionComponents, AdapterComponents {}

const PARTS: Fields<StableDiffusionAdapterComponents> = { ...STABLE_DIFFUSION_PARTS, ...ADAPTER_PARTS };

/**
 * Makes pictures from texts, steered by T2I-Adapters (Mou et al. 2023). They see a picture once, so they cost less time than ControlNets.
 * Matches diffusers' StableDiffusionAdapterPipeline.
 */
export class StableDiffusionAdapterPipeline extends StableDiffusionBase<StableDiffusionAdapterRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionAdapterPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionAdapterPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS["adapter-noise"].defaults;

  /** The T2I-Adapters; their features are added up. */
  adapter: readonly T2IAdapter[];

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionAdapterComponents, source?: ComponentSource) {
    expectParts(StableDiffusionAdapterPipeline.className, components, PARTS);
    super(components, source);
    this.adapter = adaptersOf(components);
  }

  /** The parts, by diffusers' names in camelCase: `new OtherPipeline(pipe.components)`. */
  override get components(): StableDiffusionAdapterComponents {
    return super.components as StableDiffusionAdapterComponents;
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionAdapterComponents>,
  ): Promise<StableDiffusionAdapterPipeline> {
    const [components, adapter] = await Promise.all([loadStableDiffusion(source, given), loadAdapters(source, given)]);
    return new StableDiffusionAdapterPipeline({ ...components, adapter }, source);
  }

  protected override control(call: Call<StableDiffusionAdapterRequest>): Promise<Control> {
    return prepareAdapters({ adapters: this.adapter, call });
  }

  protected denoise(call: Call<StableDiffusionAdapterRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    return this.fromNoise(call);
  }
}
