import type { FinishedGraph } from "../graph/finished-graph.js";
import type { OnnxModel } from "../graph/onnx.js";

/** How far a network is loaded. */
export interface LoadProgress {
  /** The class of the network, such as "UNet2DConditionModel". */
  readonly network: string;
  /** Bytes of its weights that the runtime has taken so far. */
  readonly loaded: number;
  /** Bytes of its weights. */
  readonly total: number;
}

/** Reports how far one network is loaded: at the beginning, in between if the device tells, and at the end. */
export class LoadMeter {
  private readonly total: number;
  private loaded = 0;

  constructor(
    { model, preparations = [] }: FinishedGraph,
    private readonly network: string,
    private readonly onProgress: (progress: LoadProgress) => void,
  ) {
    this.total = [model, ...preparations.map(({ model }) => model)].reduce((sum, each) => sum + bytesOfWeights(each), 0);
    this.report();
  }

  /** To be called with the number of bytes that were read since. Some weights are read twice. */
  readonly read = (bytes: number): void => {
    this.loaded = Math.min(this.loaded + bytes, this.total);
    // The last report is that of the end, when the network is ready.
    if (this.loaded < this.total) this.report();
  };

  /** To be called when the network is loaded. */
  end(): void {
    this.loaded = this.total;
    this.report();
  }

  private report(): void {
    const { network, loaded, total } = this;
    this.onProgress({ network, loaded, total });
  }
}

/** Bytes of the weights that a model takes from files. */
function bytesOfWeights({ initializers }: OnnxModel): number {
  return initializers.reduce((sum, { data }) => sum + (data instanceof Uint8Array ? 0 : data.length), 0);
}
