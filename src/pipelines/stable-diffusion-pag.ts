import type { ModelIndex } from "../checkpoint/model-index.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import type { ComponentSource } from "./shared/components.js";
import { PAG_FIELDS, type Pag, type PagOptions, pagOf } from "./shared/pag-options.js";
import { StableDiffusionPipeline } from "./stable-diffusion.js";
import { loadStableDiffusion, type StableDiffusionComponents, USUAL_CORRECTIONS } from "./stable-diffusion-base.js";
import { StableDiffusionControlNetPipeline } from "./stable-diffusion-controlnet.js";
import { loadStableDiffusionControlNet, type StableDiffusionControlNetComponents } from "./stable-diffusion-controlnet-base.js";
import { StableDiffusionControlNetInpaintPipeline } from "./stable-diffusion-controlnet-inpaint.js";
import { StableDiffusionImg2ImgPipeline } from "./stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "./stable-diffusion-inpaint.js";

// diffusers' classes of Stable Diffusion 1 and 2 with perturbed-attention guidance (Ahn et al. 2024).

/** StableDiffusionPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers' StableDiffusionPAGPipeline. */
export class StableDiffusionPAGPipeline extends StableDiffusionPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionPAGPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionPAGPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionComponents & PagOptions, source?: ComponentSource) {
    super(components, source);
    this.pag = pagOf(StableDiffusionPAGPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents> & PagOptions,
  ): Promise<StableDiffusionPAGPipeline> {
    return new StableDiffusionPAGPipeline(
      { ...(await loadStableDiffusion(source, given)), pagAppliedLayers: given.pagAppliedLayers },
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
    this.pag = pagOf(StableDiffusionPAGPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionImg2ImgPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionPAGImg2ImgPipeline.
 */
export class StableDiffusionPAGImg2ImgPipeline extends StableDiffusionImg2ImgPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionPAGImg2ImgPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionPAGImg2ImgPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionComponents & PagOptions, source?: ComponentSource) {
    super(components, source);
    this.pag = pagOf(StableDiffusionPAGImg2ImgPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents> & PagOptions,
  ): Promise<StableDiffusionPAGImg2ImgPipeline> {
    return new StableDiffusionPAGImg2ImgPipeline(
      { ...(await loadStableDiffusion(source, given)), pagAppliedLayers: given.pagAppliedLayers },
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
    this.pag = pagOf(StableDiffusionPAGImg2ImgPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionInpaintPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionPAGInpaintPipeline.
 */
export class StableDiffusionPAGInpaintPipeline extends StableDiffusionInpaintPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionPAGInpaintPipeline";
  /** @internal */
  static override readonly corrections = USUAL_CORRECTIONS;
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionPAGInpaintPipeline.className;
  protected override readonly defaults = { ...WORKFLOWS.mask.defaults, strength: 0.9999 };

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionComponents & PagOptions, source?: ComponentSource) {
    super(components, source);
    this.pag = pagOf(StableDiffusionPAGInpaintPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionComponents> & PagOptions,
  ): Promise<StableDiffusionPAGInpaintPipeline> {
    return new StableDiffusionPAGInpaintPipeline(
      { ...(await loadStableDiffusion(source, given)), pagAppliedLayers: given.pagAppliedLayers },
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
    this.pag = pagOf(StableDiffusionPAGInpaintPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionControlNetPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionControlNetPAGPipeline.
 */
export class StableDiffusionControlNetPAGPipeline extends StableDiffusionControlNetPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionControlNetPAGPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionControlNetPAGPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionControlNetComponents & PagOptions, source?: ComponentSource) {
    super(components, source);
    this.pag = pagOf(StableDiffusionControlNetPAGPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionControlNetComponents> & PagOptions,
  ): Promise<StableDiffusionControlNetPAGPipeline> {
    return new StableDiffusionControlNetPAGPipeline(
      { ...(await loadStableDiffusionControlNet(source, given)), pagAppliedLayers: given.pagAppliedLayers },
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
    this.pag = pagOf(StableDiffusionControlNetPAGPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}

/**
 * StableDiffusionControlNetInpaintPipeline with perturbed-attention guidance by default, `pagScale` 3. Matches diffusers'
 * StableDiffusionControlNetPAGInpaintPipeline.
 */
export class StableDiffusionControlNetPAGInpaintPipeline extends StableDiffusionControlNetInpaintPipeline {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionControlNetPAGInpaintPipeline";
  /** @internal Fields of further options. */
  static readonly options = PAG_FIELDS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  override readonly className = StableDiffusionControlNetPAGInpaintPipeline.className;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionControlNetComponents & PagOptions, source?: ComponentSource) {
    super(components, source);
    this.pag = pagOf(StableDiffusionControlNetPAGInpaintPipeline.className, components);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static override async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionControlNetComponents> & PagOptions,
  ): Promise<StableDiffusionControlNetPAGInpaintPipeline> {
    return new StableDiffusionControlNetPAGInpaintPipeline(
      { ...(await loadStableDiffusionControlNet(source, given)), pagAppliedLayers: given.pagAppliedLayers },
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
    this.pag = pagOf(StableDiffusionControlNetPAGInpaintPipeline.className, { pagAppliedLayers: layers });
  }

  declare protected pag: Pag;
}
