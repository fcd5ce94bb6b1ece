import type { ModelIndex } from "../checkpoint/model-index.js";
import type { ComponentSource } from "./shared/components.js";
import { PAG_FIELDS, type Pag, type PagOptions, pagOf } from "./shared/pag-options.js";
import { StableDiffusionXLPipeline } from "./stable-diffusion-xl.js";
import {
  loadStableDiffusionXL,
  type StableDiffusionXLComponents,
  type StableDiffusionXLSettings,
  settingsXL,
} from "./stable-diffusion-xl-base.js";
import { StableDiffusionXLControlNetPipeline } from "./stable-diffusion-xl-controlnet.js";
import { loadStableDiffusionXLControlNet, type StableDiffusionXLControlNetComponents } from "./stable-diffusion-xl-controlnet-base.js";
import { StableDiffusionXLControlNetImg2ImgPipeline } from "./stable-diffusion-xl-controlnet-img2img.js";
import { StableDiffusionXLImg2ImgPipeline } from "./stable-diffusion-xl-img2img.js";
import { StableDiffusionXLInpaintPipeline } from "./stable-diffusion-xl-inpaint.js";

// diffusers' classes of Stable Diffusion XL with perturbed-attention guidance (Ahn et al. 2024).

/**
 * StableDiffusionXLPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers' StableDiffusionXLPAGPipeline.
 */
export class StableDiffusionXLPAGPipeline extends StableDiffusionXLPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLPAGPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionXLPAGPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLComponents & PagOptions, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    super(components, settings, source);
    this.pag = pagOf(StableDiffusionXLPAGPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents> & PagOptions,
  ): Promise<StableDiffusionXLPAGPipeline> {
    return new StableDiffusionXLPAGPipeline(
      { ...(await loadStableDiffusionXL(source, given)), pagAppliedLayers: given.pagAppliedLayers },
      settingsXL(index),
      source,
    );
  }

  /** The self-attention that is perturbed. */
  get pagAppliedLayers(): string | readonly string[] {
    return this.pag.pagAppliedLayers;
  }

  /**
   * Sets the self-attention that later calls perturb: see {@link PagOptions}. @throws ArgumentError unless it is a text or a list of texts
   */
  setPagAppliedLayers(layers: string | readonly string[]): void {
    this.pag = pagOf(StableDiffusionXLPAGPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionXLImg2ImgPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionXLPAGImg2ImgPipeline.
 */
export class StableDiffusionXLPAGImg2ImgPipeline extends StableDiffusionXLImg2ImgPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLPAGImg2ImgPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionXLPAGImg2ImgPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLComponents & PagOptions, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    super(components, settings, source);
    this.pag = pagOf(StableDiffusionXLPAGImg2ImgPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents> & PagOptions,
  ): Promise<StableDiffusionXLPAGImg2ImgPipeline> {
    return new StableDiffusionXLPAGImg2ImgPipeline(
      { ...(await loadStableDiffusionXL(source, given)), pagAppliedLayers: given.pagAppliedLayers },
      settingsXL(index),
      source,
    );
  }

  /** The self-attention that is perturbed. */
  get pagAppliedLayers(): string | readonly string[] {
    return this.pag.pagAppliedLayers;
  }

  /**
   * Sets the self-attention that later calls perturb: see {@link PagOptions}. @throws ArgumentError unless it is a text or a list of texts
   */
  setPagAppliedLayers(layers: string | readonly string[]): void {
    this.pag = pagOf(StableDiffusionXLPAGImg2ImgPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionXLInpaintPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionXLPAGInpaintPipeline.
 */
export class StableDiffusionXLPAGInpaintPipeline extends StableDiffusionXLInpaintPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLPAGInpaintPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionXLPAGInpaintPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionXLComponents & PagOptions, settings: StableDiffusionXLSettings = {}, source?: ComponentSource) {
    super(components, settings, source);
    this.pag = pagOf(StableDiffusionXLPAGInpaintPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLComponents> & PagOptions,
  ): Promise<StableDiffusionXLPAGInpaintPipeline> {
    return new StableDiffusionXLPAGInpaintPipeline(
      { ...(await loadStableDiffusionXL(source, given)), pagAppliedLayers: given.pagAppliedLayers },
      settingsXL(index),
      source,
    );
  }

  /** The self-attention that is perturbed. */
  get pagAppliedLayers(): string | readonly string[] {
    return this.pag.pagAppliedLayers;
  }

  /**
   * Sets the self-attention that later calls perturb: see {@link PagOptions}. @throws ArgumentError unless it is a text or a list of texts
   */
  setPagAppliedLayers(layers: string | readonly string[]): void {
    this.pag = pagOf(StableDiffusionXLPAGInpaintPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionXLControlNetPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionXLControlNetPAGPipeline.
 */
export class StableDiffusionXLControlNetPAGPipeline extends StableDiffusionXLControlNetPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLControlNetPAGPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionXLControlNetPAGPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(
    components: StableDiffusionXLControlNetComponents & PagOptions,
    settings: StableDiffusionXLSettings = {},
    source?: ComponentSource,
  ) {
    super(components, settings, source);
    this.pag = pagOf(StableDiffusionXLControlNetPAGPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetComponents> & PagOptions,
  ): Promise<StableDiffusionXLControlNetPAGPipeline> {
    return new StableDiffusionXLControlNetPAGPipeline(
      { ...(await loadStableDiffusionXLControlNet(source, given)), pagAppliedLayers: given.pagAppliedLayers },
      settingsXL(index),
      source,
    );
  }

  /** The self-attention that is perturbed. */
  get pagAppliedLayers(): string | readonly string[] {
    return this.pag.pagAppliedLayers;
  }

  /**
   * Sets the self-attention that later calls perturb: see {@link PagOptions}. @throws ArgumentError unless it is a text or a list of texts
   */
  setPagAppliedLayers(layers: string | readonly string[]): void {
    this.pag = pagOf(StableDiffusionXLControlNetPAGPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionXLControlNetImg2ImgPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionXLControlNetPAGImg2ImgPipeline.
 */
export class StableDiffusionXLControlNetPAGImg2ImgPipeline extends StableDiffusionXLControlNetImg2ImgPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionXLControlNetPAGImg2ImgPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionXLControlNetPAGImg2ImgPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(
    components: StableDiffusionXLControlNetComponents & PagOptions,
    settings: StableDiffusionXLSettings = {},
    source?: ComponentSource,
  ) {
    super(components, settings, source);
    this.pag = pagOf(StableDiffusionXLControlNetPAGImg2ImgPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    index: ModelIndex,
    given: Partial<StableDiffusionXLControlNetComponents> & PagOptions,
  ): Promise<StableDiffusionXLControlNetPAGImg2ImgPipeline> {
    return new StableDiffusionXLControlNetPAGImg2ImgPipeline(
      { ...(await loadStableDiffusionXLControlNet(source, given)), pagAppliedLayers: given.pagAppliedLayers },
      settingsXL(index),
      source,
    );
  }

  /** The self-attention that is perturbed. */
  get pagAppliedLayers(): string | readonly string[] {
    return this.pag.pagAppliedLayers;
  }

  /**
   * Sets the self-attention that later calls perturb: see {@link PagOptions}. @throws ArgumentError unless it is a text or a list of texts
   */
  setPagAppliedLayers(layers: string | readonly string[]): void {
    this.pag = pagOf(StableDiffusionXLControlNetPAGImg2ImgPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}
