import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";

/** Tensors by the names of a graph's inputs or outputs. */
export type NamedTensors = Readonly<Record<string, Tensor<DType>>>;

/** A network loaded and ready on a device. */
export interface Session {
  /**
   * Runs the network once. The feeds are copied, and the caller owns the results. Feeds that are `lent` are not copied: the caller cannot
   * use them until they come back among the results.
   */
  run(feeds: NamedTensors, lent?: readonly string[]): Promise<NamedTensors>;
  /** Frees the network's memory. */
  release(): Promise<void>;
}

/** How a network is loaded. */
export interface LoadOptions {
  /** Its name for reports of progress, its class; without one, nothing is reported. */
  readonly network?: string | undefined;
  /** It will run many times: its working memory is kept between runs. */
  readonly keepsMemory?: boolean | undefined;
  /** Its weights are few: they are copied once, at load, into the form that is fastest. */
  readonly copiesWeights?: boolean | undefined;
}
