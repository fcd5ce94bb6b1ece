import { sizeOf } from "../../tensor/tensor.js";
import type { ByteProducts, Value } from "../graph.js";
import { type ConvOptions, convolvedShape, padsOf } from "./conv2d.js";
import { add, scale } from "./elementwise.js";
import { gather, reshape, transpose } from "./shapes.js";

/*
 * Products in 8-bit integers (Jacob et al. 2018). A processor computes four times as many of them at once as products of floats. Weights
 * become signed bytes when the graph is loaded, with a scale for each output. Inputs become unsigned bytes in every run, over the range of
 * their numbers in that run. The sums are 32-bit integers, and exact.
 */

/** Whether a linear layer of x [..., in] with this weight [out, in] is computed in bytes. */
export function isQuantizedAffine(x: Value, weight: Value): boolean {
  const features = x.shape.at(-1) ?? 1;
  return isQuantized(sizeOf(x.shape) / features, weight);
}

/** Whether a convolution of x [batch, channels, height, width] with this weight [out, channels, k, k] is computed in bytes. */
export function isQuantizedConv(x: Value, weight: Value): boolean {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  return isQuantized(batch * height * width, weight);
}

/** x [..., in] times the transpose of weight [out, in], plus bias [out], in bytes. */
export function quantizedAffine(x: Value, weight: Value, bias: Value | undefined): Value {
  const [out = 0, features = 0] = weight.shape;
  const bytes = quantize(x);
  const flat = { ...bytes, bytes: reshape(bytes.bytes, [-1, features]) };
  return reshape(product(flat, matrixOf(weight), bias), [...x.shape.slice(0, -1), out]);
}

/**
 * Convolution of x [batch, in, height, width] with weight [out, in, k, k], in bytes: each pixel's neighbourhood times the kernels, as one
 * product.
 */
export function quantizedConv(x: Value, weight: Value, bias: Value | undefined, options: ConvOptions): Value {
  const { graph } = x;
  const [out = 0, channels = 0, kernel = 1] = weight.shape;
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const { stride = 1, padding = 0 } = options;
  const [top, left, bottom, right] = padsOf(padding);
  const [, , outHeight, outWidth] = convolvedShape(x, weight, options);
  const { bytes, ...scale } = quantize(x);
  const pixels = transpose(bytes, [0, 2, 3, 1]);
  const [rows, columns] = [height + top + bottom, width + left + right];
  // Padding is the byte that means zero.
  const padded =
    rows === height && columns === width
      ? pixels
      : graph.node("Pad", [pixels, graph.integers([0, top, left, 0, 0, bottom, right, 0]), scale.zero], {
          shape: [batch, rows, columns, channels],
          dtype: "uint8",
        });
  const results = product({ bytes: neighbourhoods(padded, kernel, stride, [outHeight, outWidth]), ...scale }, matrixOf(weight), bias);
  return transpose(reshape(results, [batch, outHeight, outWidth, out]), [0, 3, 1, 2]);
}

/**
 * The inputs of each result of a convolution, [batch * outHeight * outWidth, kernel^2 * channels], from pixels [batch, rows, columns,
 * channels].
 */
function neighbourhoods(pixels: Value, kernel: number, stride: number, [outHeight, outWidth]: readonly [number, number]): Value {
  const { graph } = pixels;
  const [batch = 0, rows = 0, columns = 0, channels = 0] = pixels.shape;
  const shape = [batch * outHeight * outWidth, kernel ** 2 * channels];
  if (kernel === 1 && stride === 1) return reshape(pixels, shape);
  const places = graph.once(`neighbourhoods ${[batch, rows, columns, outHeight, outWidth, kernel, stride]}`, () => {
    const steps = (axis: number, count: number, step: number) => {
      const shape = Array.from({ length: 5 }, (_, i) => (i === axis ? count : 1));
      return reshape(graph.integers(Array.from({ length: count }, (_, i) => i * step)), shape);
    };
    const corner = add(add(steps(0, batch, rows * columns), steps(1, outHeight, stride * columns)), steps(2, outWidth, stride));
    return add(corner, add(steps(3, kernel, columns), steps(4, kernel, 1)));
  });
  return reshape(gather(reshape(pixels, [-1, channels]), places), shape);
}

function isQuantized(rows: number, weight: Value): boolean {
  const { graph, shape } = weight;
  const [out = 0, features = 0] = shape;
  const products = graph.byteProducts;
  return (
    products !== undefined && graph.isWeight(weight) && Math.min(out, features) >= products.fewestFeatures && rows >= products.fewestRows
  );
}

/** Numbers as unsigned bytes: (byte - zero) * scale. */
interface Quantized {
  readonly bytes: Value;
  readonly scale: Value;
  readonly zero: Value;
}

/** x as bytes, over the range of its numbers in each run. */
function quantize(x: Value): Quantized {
  const { graph, shape } = x;
  const [bytes, scale, zero] = graph.sharing(`${x.name} as bytes`, () =>
    graph.nodeOf(
      "DynamicQuantizeLinear",
      [x],
      [
        { shape, dtype: "uint8" },
        { shape: [], dtype: "float32" },
        { shape: [], dtype: "uint8" },
      ],
    ),
  ) as [Value, Value, Value];
  return { bytes, scale, zero };
}

/** A weight [out, ...] as signed bytes [everything else, out], with scales [out]. A kernel's places come before its channels. */
function matrixOf(weight: Value): { readonly bytes: Value; readonly scale: Value } {
  const { range, file } = weight.graph.byteProducts as ByteProducts;
  const [bytes, steps] = weight.graph.converted(weight, "as bytes", file, (own) => {
    const { graph } = own;
    const [out = 0, channels = 0] = own.shape;
    const rows = reshape(own, [out, -1]);
    const extreme = (op: "ReduceMin" | "ReduceMax") =>
      graph.node(op, [rows, graph.integers([1])], { shape: [out], attributes: { keepdims: 0 } });
    const largest = graph.node("Max", [extreme("ReduceMax"), scale(extreme("ReduceMin"), -1)], { shape: [out] });
    const divided = graph.node("Div", [largest, graph.constant([range], [])], { shape: [out] });
    // A row of zeros has scale 1.
    const isZero = graph.node("Equal", [largest, graph.constant([0], [])], { shape: [out], dtype: "bool" });
    const steps = graph.node("Where", [isZero, graph.constant([1], []), divided], { shape: [out], dtype: "float32" });
    // Its dtype makes the bytes signed.
    const zero = graph.cast(graph.constant(new Float32Array(out)), "int8");
    const rounded = graph.node("QuantizeLinear", [rows, steps, zero], { shape: rows.shape, dtype: "int8", attributes: { axis: 0 } });
    return [placesAndChannels(rounded, channels), steps];
  }) as [Value, Value];
  return { bytes, scale: steps };
}

/**
 * Bytes [out, channels * places] as [places * channels, out]. The runtime transposes a matrix byte by byte, and misses the cache at every
 * byte. Two transpositions are faster, within blocks of a few outputs first, then of whole blocks: 0.5 s for Stable Diffusion 1.5 instead
 * of 2.2 s.
 */
function placesAndChannels(bytes: Value, channels: number): Value {
  const [out = 0, features = 0] = bytes.shape;
  const places = features / channels;
  const block = [32, 16, 8, 4, 2].find((count) => out % count === 0) ?? 1;
  const turned = transpose(reshape(bytes, [out / block, block, features]), [0, 2, 1]);
  const ordered = transpose(reshape(turned, [out / block, channels, places, block]), [2, 1, 0, 3]);
  return reshape(ordered, [features, out]);
}

function product(
  { bytes, scale, zero }: Quantized,
  matrix: { readonly bytes: Value; readonly scale: Value },
  bias: Value | undefined,
): Value {
  return bytes.graph.node("MatMulIntegerToFloat", [bytes, matrix.bytes, scale, matrix.scale, zero, undefined, bias], {
    shape: [bytes.shape[0] ?? 0, matrix.bytes.shape[1] ?? 0],
    dtype: "float32",
    domain: "com.microsoft",
  });
}
