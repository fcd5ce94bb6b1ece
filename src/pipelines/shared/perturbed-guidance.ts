import { isPlain } from "../../given.js";
import type { UNet2DConditionInputs } from "../../models/unet-2d-condition.js";
import { type Fields, field, real } from "../../options/fields.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import { guide } from "./guidance.js";
import type { PerturbedGuidance } from "./predictor.js";

/**
 * Perturbed-attention guidance (Ahn et al. 2024): away from a prediction whose self-attention is perturbed. Works without guidance, too.
 */
export interface PerturbedGuidanceOptions {
  /**
   * How strongly; 0 turns it off and is the default, except in diffusers' PAG pipelines, where it is 3. Each step takes longer by a half.
   */
  readonly pagScale?: number | undefined;
  /** How fast it fades: at timestep t the scale is pagScale - pagAdaptiveScale * (1000 - t), at least 0. By default 0: it does not fade. */
  readonly pagAdaptiveScale?: number | undefined;
  /** Which self-attention is perturbed: regular expressions for the layers' paths, such as "mid" (the default) or "down_blocks.1". */
  readonly pagAppliedLayers?: string | readonly string[] | undefined;
}

export const PERTURBED_GUIDANCE_FIELDS: Fields<PerturbedGuidanceOptions> = {
  pagScale: real(0),
  pagAdaptiveScale: real(0),
  pagAppliedLayers: field<string | readonly string[]>(
    (value) => [value].flat().length > 0 && [value].flat().every((each) => typeof each === "string"),
    "a text or a list of texts",
  ),
};

/** Perturbed-attention guidance in one call of `batch` pictures; undefined if it is off. */
export function perturbedGuidance(
  options: PerturbedGuidanceOptions,
  { batch, guidanceRescale }: { readonly batch: number; readonly guidanceRescale: number | undefined },
): PerturbedGuidance<UNet2DConditionInputs> | undefined {
  const { pagScale = 0, pagAdaptiveScale = 0, pagAppliedLayers = "mid" } = options;
  if (pagScale === 0) return undefined;
  return {
    // Matches diffusers' PAGMixin.
    scaleAt: (timestep) => Math.max(pagScale - pagAdaptiveScale * (1000 - timestep), 0),
    extended: (inputs, isGuided) => ({
      ...withRowsOfPrompt(inputs, isGuided ? 2 * batch : batch, batch),
      perturbed: { layers: [pagAppliedLayers].flat(), rows: batch },
    }),
    combine: (prediction, { isGuided, scale, pagScale: strength }) => {
      const parts: readonly Tensor[] = prediction.chunk(isGuided ? 3 : 2);
      const [conditional, perturbed] = parts.slice(-2) as [Tensor, Tensor];
      const away = conditional.sub(perturbed).mul(strength);
      return isGuided ? guide(concat(parts.slice(0, 2)), scale, guidanceRescale, away) : conditional.add(away);
    },
  };
}

/** The inputs with the rows of the prompt, the last `batch`, once more. Inputs with other than `rows` rows are the same for all rows. */
function withRowsOfPrompt(inputs: UNet2DConditionInputs, rows: number, batch: number): UNet2DConditionInputs {
  const extended = (value: unknown): unknown => {
    if (value instanceof Tensor) return value.shape[0] === rows ? concat([value, value.slice(rows - batch, rows)] as Tensor[]) : value;
    if (Array.isArray(value)) return value.map(extended);
    return isPlain(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, extended(each)])) : value;
  };
  // Masks and scales of IP-Adapters are the same for all rows.
  const { ipAdapterMasks, ipAdapterScales, ...rest } = inputs;
  return {
    ...(extended(rest) as UNet2DConditionInputs),
    ...(ipAdapterMasks && { ipAdapterMasks }),
    ...(ipAdapterScales && { ipAdapterScales }),
  };
}
