import type { Weights } from "../checkpoint/weights.js";
import { ArgumentError } from "../errors.js";
import { type Fields, names, needed, whole } from "../options/fields.js";
import { attentionPaths } from "./attention-paths.js";

/** Rows of a batch whose self-attention is perturbed (Ahn et al. 2024, PAG): there each pixel attends to itself alone. */
export interface PerturbedRows {
  /** Regular expressions for the paths of the layers, such as "mid" or "down_blocks.1". */
  readonly layers: readonly string[];
  /** The number of rows, the last ones of the batch. */
  readonly rows: number;
}

export const PERTURBED_FIELDS: Fields<PerturbedRows> = {
  layers: needed(names, 'such as ["mid"]'),
  rows: needed(whole(1), "the number of rows"),
};

/**
 * Whether an attention layer's path matches one of the patterns.
 * @throws ArgumentError for a pattern that is no regular expression, or that no self-attention of the network matches
 */
export function layersMatching(patterns: readonly string[], weights: Weights): (path: string) => boolean {
  const paths = selfAttentions(weights);
  const expressions = patterns.map((pattern) => {
    const expression = toExpression(pattern);
    if (paths.some((path) => expression.test(path))) return expression;
    throw new ArgumentError((name) => `no self-attention of this UNet matches ${name("pagAppliedLayers")} ${JSON.stringify(pattern)}`, {
      argument: "pagAppliedLayers",
      hint: `its layers are ${paths
        .map((path) => path.replace(/\.transformer_blocks.*/, ""))
        .filter((path, i, all) => all.indexOf(path) === i)
        .join(", ")}`,
    });
  });
  return (path) => expressions.some((expression) => expression.test(path));
}

/** Paths of the attention layers whose keys are made of the picture itself. */
function selfAttentions(weights: Weights): readonly string[] {
  const width = (name: string) => weights.shapeOf(name)[1];
  return attentionPaths(weights, "attn1").filter((path) => width(`${path}.to_k.weight`) === width(`${path}.to_q.weight`));
}

function toExpression(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (cause) {
    throw new ArgumentError((name) => `${name("pagAppliedLayers")} ${JSON.stringify(pattern)} is no regular expression`, {
      argument: "pagAppliedLayers",
      cause,
    });
  }
}
