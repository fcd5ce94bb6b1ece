import type { ModelIndex } from "../checkpoint/model-index.js";
import { DDIM } from "../families/ddim.js";
import { type Fields, flag, real } from "../options/fields.js";
import { DDIMScheduler } from "../schedulers/ddim.js";
import type { StepOptions } from "../schedulers/shared/scheduler.js";
import { expectEta } from "./shared/arguments.js";
import type { ComponentSource } from "./shared/components.js";
import {
  loadUnconditional,
  UNCONDITIONAL_FIELDS,
  UNCONDITIONAL_PARTS,
  type UnconditionalComponents,
  UnconditionalPipeline,
  type UnconditionalRequest,
} from "./unconditional.js";

/** The options of a DDIM call. */
export interface DDIMRequest extends UnconditionalRequest {
  /** Share of fresh noise at every step: 0 (default) is deterministic, 1 is DDPM. As in diffusers, larger numbers are allowed. */
  readonly eta?: number | undefined;
  /** Computes the noise again from the clipped prediction; false by default. */
  readonly useClippedModelOutput?: boolean | undefined;
}

const FIELDS: Fields<DDIMRequest> = { ...UNCONDITIONAL_FIELDS, eta: real(0), useClippedModelOutput: flag };

/**
 * Makes pictures from noise in few steps (Song et al. 2021), 50 by default. The checkpoint's scheduler becomes a DDIMScheduler. Matches
 * diffusers' DDIMPipeline.
 */
export class DDIMPipeline extends UnconditionalPipeline<DDIMRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "DDIMPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = UNCONDITIONAL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = DDIMPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = DDIM.workflows.noise.defaults;

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: UnconditionalComponents, source?: ComponentSource) {
    super(components, source);
    this.scheduler = DDIMScheduler.fromConfig(this.scheduler.config);
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<UnconditionalComponents>): Promise<DDIMPipeline> {
    return new DDIMPipeline(await loadUnconditional(source, given), source);
  }

  protected override stepOptions({ eta = 0, useClippedModelOutput = false }: DDIMRequest): StepOptions {
    return { eta: expectEta(eta), useClippedModelOutput };
  }
}
