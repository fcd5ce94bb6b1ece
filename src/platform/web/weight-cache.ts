import { ArgumentError } from "../../errors.js";
import type { WeightCache } from "../weight-cache.js";

/** A page has no cache of quantised weights: `quantize` is refused. */
export function openWeightCache(): WeightCache {
  throw new ArgumentError("quantize makes files of weights, which a page cannot", {
    argument: "quantize",
    hint: "open a checkpoint that is quantised already, such as a GGUF file",
  });
}
