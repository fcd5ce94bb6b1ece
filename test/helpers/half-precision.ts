import type { ResolvedDevice } from "../../src/runtime/device.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/**
 * What runs on the CPU the half-precision graphs that are written for `device`. ONNX Runtime has few half-precision kernels there: it computes in float32,
 * and rounds where it cannot prove that it may not. That tells whether graphs are well written, not how far rounding takes them.
 */
export function halfPrecision(cpu: Engine, device: ResolvedDevice): Engine {
  return {
    device,
    capabilities: { device, halfPrecision: true },
    precision: "fast",
    load: (graph, options) => cpu.load(graph, options),
    dispose: async () => {},
  };
}

/** The root mean square of the differences, as a part of that of what was expected. */
export function relativeDifference(found: Tensor, expected: Tensor): number {
  return rootMeanSquare(found.sub(expected)) / rootMeanSquare(expected);
}

function rootMeanSquare({ data }: Tensor): number {
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
}
