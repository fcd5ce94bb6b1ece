import type { ResolvedDevice } from "../../src/runtime/device.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { withoutProviderOperators } from "./provider-operators.js";

/**
 * An engine that runs half-precision graphs for `device` on the CPU. ONNX Runtime has few half-precision kernels there: it computes in
 * float32, and rounds only where it must. Operators that only a GPU's provider has are written out. So tests see whether graphs are written
 * well, but not how much rounding changes their results.
 */
export function halfPrecision(cpu: Engine, device: ResolvedDevice): Engine {
  return {
    device,
    capabilities: { device, halfPrecision: true, diffusionOperators: true },
    precision: "fast",
    load: (graph, options) => cpu.load(withoutProviderOperators(graph), options),
    dispose: async () => {},
  };
}

/** The root mean square of the differences, relative to that of the expected numbers. */
export function relativeDifference(found: Tensor, expected: Tensor): number {
  return rootMeanSquare(found.sub(expected)) / rootMeanSquare(expected);
}

function rootMeanSquare({ data }: Tensor): number {
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
}
