import { ArgumentError } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { Value } from "../graph.js";
import { packedProduct } from "./block-products.js";
import { isQuantizedAffine, quantizedAffine } from "./byte-products.js";
import { alike, narrow } from "./precision.js";
import { reshape } from "./shapes.js";

/**
 * x [..., in] times the transpose of weight [out, in], plus bias [out]: torch's Linear. In 8-bit integers if the graph computes in them and
 * the sizes pay.
 */
export function linearProduct(x: Value, weight: Value, bias?: Value): Value {
  return isQuantizedAffine(x, weight) ? quantizedAffine(x, weight, bias) : affine(x, weight, bias);
}

/** The same product, always of floats x. Quantised weights are multiplied as they are, if the target can. */
export function affine(x: Value, weight: Value, bias?: Value): Value {
  const [outWidth = 0, inWidth = 0] = weight.shape;
  if (x.shape.at(-1) !== inWidth) throw new ArgumentError(`linear layer ${weight.name} takes ${inWidth} features; [${x.shape}] was given`);
  const rows = sizeOf(x.shape) / inWidth;
  const flat = x.shape.length === 2 ? narrow(x) : reshape(narrow(x), [rows, inWidth]);
  const packed = packedProduct(flat, weight, bias, gemm);
  return reshape(packed ?? gemm(flat, weight, bias), [...x.shape.slice(0, -1), outWidth]);
}

function gemm(flat: Value, weight: Value, bias?: Value): Value {
  const [rows = 0] = flat.shape;
  const [outWidth = 0] = weight.shape;
  // Gemm adds the bias in the same pass, and reads the weight transposed without a copy. (ONNX Runtime 1.30 makes an invalid model when it
  // fuses a Transpose into Gemm whose other operand is also a result of the graph.)
  const transpose = flat.graph.transposeOf(weight);
  return flat.graph.node("Gemm", [flat, transpose ?? weight, bias], {
    shape: [rows, outWidth],
    attributes: { transB: transpose ? 0 : 1 },
  });
}

/** Matrix product over the last two axes. */
export function matmul(a: Value, b: Value): Value {
  return a.graph.node("MatMul", alike([a, b]), { shape: [...a.shape.slice(0, -1), b.shape.at(-1) ?? 0] });
}
