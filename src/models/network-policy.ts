import type { GraphOptions } from "../graph/graph.js";
import type { Engine } from "../runtime/engine.js";
import type { LoadOptions } from "../runtime/session.js";

/** Bytes of weights up to which a network that runs often copies them into the form that is fastest. */
const LARGEST_COPY = 2 ** 27;

/** What decides how a network is written and loaded. */
export interface NetworkTraits {
  /** Whether a picture takes many runs, as with a denoising network. */
  readonly runsOften: boolean;
  /** Whether one run uses each weight for the many pixels of a picture, as in an autoencoder. */
  readonly coversPictures?: boolean;
  /** Whether its numbers grow beyond half precision's largest. */
  readonly overflowsHalf: boolean;
  /** Bytes of all its weights. */
  readonly weightBytes: number;
}

/** How a network is written and loaded. */
export interface NetworkPolicy {
  readonly graph: Pick<GraphOptions, "capabilities" | "precision" | "byteWeights" | "widensOnce">;
  readonly load: LoadOptions;
}

/** How an engine computes a network with these traits: precision, copies of weights, and what is kept in memory. */
export function networkPolicy(engine: Engine, { runsOften, coversPictures, overflowsHalf, weightBytes }: NetworkTraits): NetworkPolicy {
  const { capabilities, lowMemory = false } = engine;
  // Products in bytes have sums in float32.
  const precision = overflowsHalf && capabilities.halfPrecision ? "exact" : engine.precision;
  const computesInBytes = precision === "fast" && capabilities.byteRange !== undefined;
  const copiesWeights = runsOften && weightBytes <= LARGEST_COPY;
  return {
    graph: {
      capabilities,
      precision,
      // Converting weights to bytes pays only if each is used often.
      byteWeights: (runsOften || coversPictures) && computesInBytes ? engine.scratchFile?.() : undefined,
      // A network that copies its weights has the runtime widen them.
      widensOnce: runsOften && !copiesWeights && !lowMemory,
    },
    load: { keepsMemory: runsOften, copiesWeights },
  };
}
