import type { Value } from "../graph.js";
import { elementwise } from "./elementwise.js";

/** x * sigmoid(x), written as ONNX Runtime's one-pass QuickGelu with alpha 1. */
export function silu(x: Value): Value {
  return elementwise("QuickGelu", [x], { domain: "com.microsoft", attributes: { alpha: { float: 1 } } });
}

/** x * sigmoid(1.702 x), OpenAI CLIP's approximation of GELU. */
export function quickGelu(x: Value): Value {
  return elementwise("QuickGelu", [x], { domain: "com.microsoft", attributes: { alpha: { float: 1.702 } } });
}

/** The exact GELU, with erf. */
export function gelu(x: Value): Value {
  return elementwise("Gelu", [x], { attributes: { approximate: "none" } });
}

/** GELU by its approximation with a hyperbolic tangent. */
export function geluTanh(x: Value): Value {
  return elementwise("Gelu", [x], { attributes: { approximate: "tanh" } });
}

/** max(x, 0). */
export function relu(x: Value): Value {
  return elementwise("Relu", [x]);
}

/** x * tanh(softplus(x)). */
export function mish(x: Value): Value {
  return elementwise("Mish", [x]);
}

/** The hyperbolic tangent. */
export function tanh(x: Value): Value {
  return elementwise("Tanh", [x]);
}
