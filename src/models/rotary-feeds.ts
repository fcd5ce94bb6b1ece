import { type RotaryAxes, rotaryTables } from "../layers/rotary.js";
import type { Tensor } from "../tensor/tensor.js";

/** The rotary tables of the positions given last: all steps of a picture have the same. */
export class RotaryFeeds {
  private last: { readonly ids: Float32Array; readonly feeds: { readonly rotary_cos: Tensor; readonly rotary_sin: Tensor } } | undefined;

  constructor(private readonly axes: RotaryAxes) {}

  /** Inputs of a graph for tokens at these positions, tensors [tokens, axes] one after another. */
  of(positions: readonly Tensor[]): { readonly rotary_cos: Tensor; readonly rotary_sin: Tensor } {
    const count = this.axes.axes.length;
    const ids = Float32Array.from(positions.flatMap(({ data }) => [...data]));
    const { last } = this;
    if (last?.ids.length === ids.length && last.ids.every((id, i) => id === ids[i])) return last.feeds;
    const rows = Array.from({ length: ids.length / count }, (_, i) => [...ids.subarray(i * count, (i + 1) * count)]);
    const { cos, sin } = rotaryTables(rows, this.axes);
    const feeds = { rotary_cos: cos, rotary_sin: sin };
    this.last = { ids, feeds };
    return feeds;
  }
}
