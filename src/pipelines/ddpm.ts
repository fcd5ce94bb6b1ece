import type { ModelIndex } from "../checkpoint/model-index.js";
import { DDPM } from "../families/ddpm.js";
import type { ComponentSource } from "./shared/components.js";
import {
  loadUnconditional,
  UNCONDITIONAL_FIELDS,
  UNCONDITIONAL_PARTS,
  type UnconditionalComponents,
  UnconditionalPipeline,
  type UnconditionalRequest,
} from "./unconditional.js";

/** Makes pictures from noise (Ho et al. 2020), in 1000 steps by default. Matches diffusers' DDPMPipeline. */
export class DDPMPipeline extends UnconditionalPipeline<UnconditionalRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "DDPMPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = UNCONDITIONAL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = DDPMPipeline.className;
  protected readonly fields = UNCONDITIONAL_FIELDS;
  protected readonly defaults = DDPM.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<UnconditionalComponents>): Promise<DDPMPipeline> {
    return new DDPMPipeline(await loadUnconditional(source, given), source);
  }
}
