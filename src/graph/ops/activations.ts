import type { Value } from "../graph.js";
import { add, elementwise, mul, sub } from "./elementwise.js";

/** x * sigmoid(x), written as ONNX Runtime's one-pass QuickGelu with alpha 1. */
export function silu(x: Value): Value {
  return x.withSilu?.() ?? elementwise("QuickGelu", [x], { domain: "com.microsoft", attributes: { alpha: { float: 1 } } });
}

/** x * sigmoid(1.702 x), OpenAI CLIP's approximation of GELU. */
export function quickGelu(x: Value): Value {
  return elementwise("QuickGelu", [x], { domain: "com.microsoft", attributes: { alpha: { float: 1.702 } } });
}

/** The exact GELU, with erf. */
export function gelu(x: Value): Value {
  return elementwise("Gelu", [x], { attributes: { approximate: "none" } });
}

/** Whether {@link gatedGelu} is one operation for x [batch, tokens, width]. */
export function hasGatedGelu({ graph, shape }: Value, width: number): boolean {
  return shape.length === 3 && graph.lowering.gatedGelu(width, graph.float);
}

/** The first half of each row of x [batch, tokens, width] times the GELU of its second half (Shazeer 2020), as one operation. */
export function gatedGelu(x: Value): Value {
  const { graph, shape, dtype } = x;
  const [batch = 0, tokens = 0, width = 0] = shape;
  const bias = graph.constant(new Float32Array(width), [width], dtype);
  return graph.node("BiasSplitGelu", [x, bias], { shape: [batch, tokens, width / 2], domain: "com.microsoft" });
}

/** GELU by its approximation with a hyperbolic tangent. */
export function geluTanh(x: Value): Value {
  return elementwise("Gelu", [x], { attributes: { approximate: "tanh" } });
}

/** max(x, 0). */
export function relu(x: Value): Value {
  return elementwise("Relu", [x]);
}

/** x, or `slope` * x below zero. */
export function leakyRelu(x: Value, slope: number): Value {
  return elementwise("LeakyRelu", [x], { attributes: { alpha: { float: slope } } });
}

/** x, or below zero x times the slope of its channel; `slopes` broadcast to x. Written out, because not every device has PRelu. */
export function parametricRelu(x: Value, slopes: Value): Value {
  const positive = relu(x);
  return add(positive, mul(sub(x, positive), slopes));
}

/** x * tanh(softplus(x)). */
export function mish(x: Value): Value {
  return elementwise("Mish", [x]);
}

/** The hyperbolic tangent. */
export function tanh(x: Value): Value {
  return elementwise("Tanh", [x]);
}
