import { Graph, type Value } from "../graph/graph.js";
import { gatedGelu, gelu, hasGatedGelu, silu } from "../graph/ops/activations.js";
import { conv2d } from "../graph/ops/conv2d.js";
import { mul } from "../graph/ops/elementwise.js";
import { groupNormalize } from "../graph/ops/norms.js";
import { narrow } from "../graph/ops/precision.js";
import { split } from "../graph/ops/shapes.js";
import { type Shape, sizeOf, Tensor } from "../tensor/tensor.js";
import type { ResolvedDevice } from "./device.js";
import type { NamedTensors } from "./session.js";

/** Loads a graph on the device, runs it once and releases it. */
type RunOnce = (graph: Graph, feeds: NamedTensors) => Promise<NamedTensors>;

/**
 * Whether the provider's operators for diffusion give what the operations that they replace give. Their conditions are those of the
 * kernels, which differ between versions of the runtime.
 */
export async function areDiffusionOperatorsRight(device: ResolvedDevice, run: RunOnce): Promise<boolean> {
  // The width of Stable Diffusion's first transformers.
  const gated = 2560;
  const [channels, side] = [32, 8];
  const wave = (step: number, shape: Shape) =>
    Tensor.from(
      Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * step)),
      shape,
    );
  const results = (diffusionOperators: boolean) => {
    const graph = new Graph({ capabilities: { device, halfPrecision: true, diffusionOperators }, precision: "fast" });
    const constant = (step: number, shape: Shape) => graph.constant(wave(step, shape).data, shape, graph.float);
    const picture = graph.input("picture", "float32", [2, channels, side, side]);
    const convolved = conv2d(picture, constant(0.7, [channels, channels, 3, 3]), constant(1.1, [channels]), { padding: 1 });
    const normed = groupNormalize(convolved, 4, 1e-5, constant(1.3, [channels, 1, 1]), constant(1.7, [channels, 1, 1]));
    graph.output("silu", conv2d(silu(normed), constant(1.9, [4, channels, 1, 1]), undefined));
    graph.output("normed", normed);
    const tokens = narrow(graph.input("tokens", "float32", [1, 2, gated]));
    const [value, gate] = split(tokens, 2, 2) as [Value, Value];
    graph.output("gated", hasGatedGelu(tokens, gated) ? gatedGelu(tokens) : mul(value, gelu(gate)));
    return run(graph, { picture: wave(0.3, picture.shape), tokens: wave(2.3, tokens.shape) });
  };
  try {
    const [found, expected] = [await results(true), await results(false)];
    // Half precision rounds to 11 bits; sums of some hundred products are off by more.
    return ["silu", "normed", "gated"].every((name) => {
      const numbers = expected[name]?.toArray().map(Number) ?? [];
      const largest = Math.max(...numbers.map(Math.abs));
      return numbers.length > 0 && numbers.every((number, i) => Math.abs(number - Number(found[name]?.data[i])) < 0.02 * largest);
    });
  } catch {
    return false;
  }
}
