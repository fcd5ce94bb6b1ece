import type { ModelIndex } from "../checkpoint/model-index.js";
import { DDIMScheduler } from "../schedulers/ddim.js";
import type { StepOptions } from "../schedulers/scheduler.js";
import { expectEta } from "./arguments.js";
import type { ComponentSource } from "./components.js";
import { loadUnconditional, type UnconditionalComponents, UnconditionalPipeline, type UnconditionalRequest } from "./unconditional.js";

/** What a DDIM call can be asked for. */
export interface DDIMRequest extends UnconditionalRequest {
  /** Share of fresh noise at every step: 0 (default) is deterministic, 1 is DDPM. Larger numbers are taken, as in diffusers. */
  readonly eta?: number;
  /** Derive the noise again from the clipped prediction; false by default. */
  readonly useClippedModelOutput?: boolean;
}

/** Pictures out of noise in few steps (Song et al. 2021), 50 by default; any checkpoint's scheduler is taken over as DDIM. Matches diffusers' DDIMPipeline. */
export class DDIMPipeline extends UnconditionalPipeline<DDIMRequest> {
  protected readonly defaultSteps = 50;

  /** A pipeline over parts loaded one by one, which stay the caller's to dispose. */
  constructor({ unet, scheduler }: UnconditionalComponents, source?: ComponentSource) {
    super({ unet, scheduler: DDIMScheduler.fromConfig(scheduler.config) }, source);
  }

  /** Loads the parts that `given` does not bring; `fromPretrained` is the way in. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<UnconditionalComponents>): Promise<DDIMPipeline> {
    return new DDIMPipeline(await loadUnconditional(source, given), source);
  }

  protected override stepOptions({ eta = 0, useClippedModelOutput = false }: DDIMRequest): StepOptions {
    return { eta: expectEta(eta), useClippedModelOutput };
  }
}
