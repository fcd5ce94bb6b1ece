import { checkOptions } from "../../options/check-options.js";
import type { Fields } from "../../options/fields.js";
import { PERTURBED_GUIDANCE_FIELDS, type PerturbedGuidanceOptions } from "./perturbed-guidance.js";

/** What a pipeline with perturbed-attention guidance takes beside its parts. */
export interface PagOptions {
  /** Which self-attention is perturbed: regular expressions for the layers' paths, such as "mid" (the default) or "down_blocks.1". */
  readonly pagAppliedLayers?: string | readonly string[] | undefined;
}

export const PAG_FIELDS: Fields<PagOptions> = { pagAppliedLayers: PERTURBED_GUIDANCE_FIELDS.pagAppliedLayers };

/** The strength of calls that name none, as in diffusers. */
export const PAG_SCALE = 3;

/** What calls of such a pipeline have by default. */
export type Pag = Required<Pick<PerturbedGuidanceOptions, "pagScale">> & { readonly pagAppliedLayers: string | readonly string[] };

/** The defaults of diffusers' classes. @throws ArgumentError for wrong layers */
export function pagOf(className: string, { pagAppliedLayers }: PagOptions): Pag {
  const checked = checkOptions<PagOptions>({ pagAppliedLayers }, PAG_FIELDS, { call: className });
  return { pagScale: PAG_SCALE, pagAppliedLayers: checked.pagAppliedLayers ?? "mid" };
}
