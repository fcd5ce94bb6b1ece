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

/** What a DDIM call can be asked for. */
export interface DDIMRequest extends UnconditionalRequest {
  /** Share of fresh noise at every step: 0 (default) is deterministic, 1 is DDPM. Larger numbers are taken, as in diffusers. */
  readonly eta?: number | undefined;
  /** Derive the noise again from the clipped prediction; false by default. */
  readonly useClippedModelOutput?: boolean | undefined;
}

const FIELDS: Fields<DDIMRequest> = { ...UNCONDITIONAL_FIELDS, eta: real(0), useClippedModelOutput: flag };

/** Pictures out of noise in few steps (Song et al. 2021), 50 by default; any checkpoint's scheduler is taken over as DDIM. Matches diffusers' DDIMPipeline. */
export class DDIMPipeline extends UnconditionalPipeline<DDIMRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "DDIMPipeline";
  /** @internal What each of its parts may be. */
  static readonly parts = UNCONDITIONAL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = DDIMPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = DDIM.workflows.noise.defaults;

  /** A pipeline over parts loaded one by one, which stay the caller's to dispose. */
  constructor(components: UnconditionalComponents, source?: ComponentSource) {
    super(components, source);
    this.scheduler = DDIMScheduler.fromConfig(this.scheduler.config);
  }

  /** Loads the parts that `given` does not bring; `fromPretrained` is the way in. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<UnconditionalComponents>): Promise<DDIMPipeline> {
    return new DDIMPipeline(await loadUnconditional(source, given), source);
  }

  protected override stepOptions({ eta = 0, useClippedModelOutput = false }: DDIMRequest): StepOptions {
    return { eta: expectEta(eta), useClippedModelOutput };
  }
}
