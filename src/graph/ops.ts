import { ArgumentError, ConfigError } from "../errors.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import type { NodeOptions, Value } from "./graph.js";

// Every operation networks are made of, with its output shape. How one is written for ONNX Runtime is decided here and nowhere else.
//
// In a half-precision graph, products with weights (affine, conv2d, attention) narrow what they are given, and where narrow meets wide the result is
// narrow: from its first layer on a network is in half precision, and what comes before, such as the sines of timesteps, is not.

/** x in the precision its graph computes in. */
export function narrow(x: Value): Value {
  return x.graph.cast(x, x.graph.float);
}

/** x in float32. */
export function widen(x: Value): Value {
  return x.graph.cast(x, "float32");
}

/** Element-wise sum with NumPy broadcasting. */
export function add(a: Value, b: Value): Value {
  return elementwise("Add", [a, b]);
}

/** Element-wise difference with broadcasting. */
export function sub(a: Value, b: Value): Value {
  return elementwise("Sub", [a, b]);
}

/** Element-wise product with broadcasting. */
export function mul(a: Value, b: Value): Value {
  return elementwise("Mul", [a, b]);
}

/** Element-wise quotient with broadcasting. */
export function div(a: Value, b: Value): Value {
  return elementwise("Div", [a, b]);
}

/** Every number times a constant. */
export function scale(x: Value, factor: number): Value {
  return factor === 1 ? x : mul(x, x.graph.constant([factor], [], x.dtype));
}

/** Every number plus a constant. */
export function shift(x: Value, amount: number): Value {
  return add(x, x.graph.constant([amount], [], x.dtype));
}

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

export function tanh(x: Value): Value {
  return elementwise("Tanh", [x]);
}

/** Natural logarithm. */
export function log(x: Value): Value {
  return elementwise("Log", [x]);
}

/** Sine, of angles in the hundreds too. */
export function sin(x: Value): Value {
  return x.graph.lowering.sine === "float64" ? wideSine(x, 0) : elementwise("Sin", [x]);
}

/** Cosine, of angles in the hundreds too. */
export function cos(x: Value): Value {
  return x.graph.lowering.sine === "float64" ? wideSine(x, Math.PI / 2) : elementwise("Cos", [x]);
}

/** The sine of x + `phase`, computed in float64. */
function wideSine(x: Value, phase: number): Value {
  const { graph } = x;
  const wide = graph.cast(x, "float64");
  const angle = phase === 0 ? wide : add(wide, graph.wideConstant(phase));
  return graph.cast(elementwise("Sin", [angle]), "float32");
}

/** Every number moved into `low..high`. */
export function clip(x: Value, low: number, high: number): Value {
  const limit = (value: number) => x.graph.constant([value], [], x.dtype);
  return x.graph.node("Clip", [x, limit(low), limit(high)], { shape: x.shape });
}

/** The same numbers in another shape; one extent may be -1. */
export function reshape(x: Value, shape: Shape): Value {
  const known = sizeOf(shape.filter((extent) => extent !== -1));
  const full = shape.map((extent) => (extent === -1 ? sizeOf(x.shape) / known : extent));
  if (!full.every(Number.isInteger) || sizeOf(full) !== sizeOf(x.shape))
    throw new ArgumentError(`[${x.shape}] cannot be seen as [${shape}]`);
  if (String(full) === String(x.shape)) return x;
  const { graph } = x;
  return graph.once(`${x.name} as [${full}]`, () => graph.node("Reshape", [x, graph.integers(full)], { shape: full, dtype: x.dtype }));
}

/** Axes in the order `order` names them. */
export function transpose(x: Value, order: readonly number[]): Value {
  return x.graph.node("Transpose", [x], { shape: order.map((axis) => extent(x, axis)), dtype: x.dtype, attributes: { perm: order } });
}

/** Values one after another along `axis`. */
export function concat(values: readonly [Value, ...Value[]], axis: number): Value {
  const [first] = values;
  const total = values.reduce((sum, value) => sum + extent(value, axis), 0);
  if (values.length === 1) return first;
  const misfit = values.find(
    ({ shape }) => shape.length !== first.shape.length || shape.some((size, i) => i !== axis && size !== first.shape[i]),
  );
  if (misfit) throw new ArgumentError(`[${first.shape}] and [${misfit.shape}] do not join along axis ${axis}`);
  const shape = first.shape.map((size, i) => (i === axis ? total : size));
  return first.graph.node("Concat", alike(values), { shape, attributes: { axis } });
}

/** The part `start` to `end` (excluded) of one axis, or every `step`th place of it. */
export function slice(x: Value, axis: number, start: number, end: number, step = 1): Value {
  const { graph } = x;
  if (!(0 <= start && start < end && end <= extent(x, axis)))
    throw new ArgumentError(`[${x.shape}] has no part ${start} to ${end} on axis ${axis}`);
  if (start === 0 && end === x.shape[axis] && step === 1) return x;
  const shape = x.shape.map((size, i) => (i === axis ? Math.ceil((end - start) / step) : size));
  const steps = step === 1 ? undefined : graph.integers([step]);
  return graph.node("Slice", [x, graph.integers([start]), graph.integers([end]), graph.integers([axis]), steps], { shape });
}

/** The rows `start` to `end` (excluded) of the picture x [batch, channels, height, width]; where it is in bands, they are taken from those. */
export function takeRows(x: Value, start: number, end: number): Value {
  if (!x.bands || (start === 0 && end === x.shape[2])) return slice(x, 2, start, end);
  const parts: Value[] = [];
  let top = 0;
  for (const band of x.bands) {
    const bottom = top + extent(band, 2);
    if (top < end && start < bottom) parts.push(takeRows(band, Math.max(start, top) - top, Math.min(end, bottom) - top));
    top = bottom;
  }
  return concat(parts as [Value, ...Value[]], 2);
}

/** The picture [batch, channels, height, width] in these bands of rows, from top to bottom. */
export function joinRows(bands: readonly Value[]): Value {
  const [first, ...rest] = bands as [Value, ...Value[]];
  return rest.length === 0 ? first : { ...concat([first, ...rest], 2), bands };
}

/** The rows `start` to `end` (excluded) of a weight. What lies in a file is read from there, not cut out of the whole. */
export function rows(weight: Value, start: number, end: number): Value {
  if (start === 0 && end === extent(weight, 0)) return weight;
  return weight.graph.weightRows(weight, start, end) ?? slice(weight, 0, start, end);
}

/** Splits `axis` into `parts` equal values. */
export function split(x: Value, axis: number, parts: number): Value[] {
  const size = extent(x, axis) / parts;
  if (!Number.isInteger(size)) throw new ArgumentError(`axis ${axis} of [${x.shape}] does not split into ${parts} equal parts`);
  return Array.from({ length: parts }, (_, i) => slice(x, axis, i * size, (i + 1) * size));
}

/** x repeated along axes of extent 1 until it has `shape`. */
export function expand(x: Value, shape: Shape): Value {
  return x.graph.node("Expand", [x, x.graph.integers(shape)], { shape: broadcast(x.shape, shape), dtype: x.dtype });
}

/** x [n, ...] as a whole again and again until it has `batch` rows. */
export function repeatBatch(x: Value, batch: number): Value {
  const times = batch / extent(x, 0);
  if (times === 1) return x;
  if (!Number.isInteger(times)) throw new ArgumentError(`[${x.shape}] cannot be repeated to a batch of ${batch}`);
  return concat([x, ...Array.from({ length: times - 1 }, () => x)], 0);
}

/** The sum of a [n, ...] and b [m, ...]; the one of the smaller batch is what several rows of the other have in common. */
export function addBatches(a: Value, b: Value): Value {
  const batch = Math.max(extent(a, 0), extent(b, 0));
  return add(repeatBatch(a, batch), repeatBatch(b, batch));
}

/** Rows of `table` [rows, width] picked by int64 `indices`: an embedding lookup. */
export function gather(table: Value, indices: Value): Value {
  return table.graph.node("Gather", [table, indices], { shape: [...indices.shape, ...table.shape.slice(1)], attributes: { axis: 0 } });
}

/** x [..., in] times the transpose of weight [out, in], plus bias [out]: torch's Linear, with its weight as it lies in the file. */
export function affine(x: Value, weight: Value, bias?: Value): Value {
  const [outWidth = 0, inWidth = 0] = weight.shape;
  if (x.shape.at(-1) !== inWidth) throw new ArgumentError(`linear layer ${weight.name} takes ${inWidth} features; [${x.shape}] was given`);
  const rows = sizeOf(x.shape) / inWidth;
  const flat = x.shape.length === 2 ? narrow(x) : reshape(narrow(x), [rows, inWidth]);
  // Gemm adds the bias in the product's own pass and takes the weight transposed without a copy. (Fusing it with a Transpose before it, ONNX Runtime 1.30
  // makes an invalid model where the other operand is a result of the graph as well.)
  const transpose = x.graph.transposeOf(weight);
  const product = x.graph.node("Gemm", [flat, transpose ?? weight, bias], {
    shape: [rows, outWidth],
    attributes: { transB: transpose ? 0 : 1 },
  });
  return x.shape.length === 2 ? product : reshape(product, [...x.shape.slice(0, -1), outWidth]);
}

/** How a convolution walks its input. `padding` is one number for all sides or [top, left, bottom, right]. */
export interface ConvOptions {
  readonly stride?: number;
  readonly padding?: number | readonly [number, number, number, number];
}

/** Two-dimensional convolution of x [batch, in, height, width] with weight [out, in, kernel, kernel]. */
export function conv2d(x: Value, weight: Value, bias: Value | undefined, { stride = 1, padding = 0 }: ConvOptions = {}): Value {
  const [, inChannels, kernel = 1] = weight.shape;
  const channels = extent(x, 1);
  if (channels !== inChannels) throw new ArgumentError(`convolution ${weight.name} takes ${inChannels} channels; [${x.shape}] was given`);
  if (x.graph.lowering.padsThreeChannels && channels > 3 && channels % 3 === 0 && channels % 4 !== 0) {
    return conv2d(withZeroChannel(x), withZeroChannel(weight), bias, { stride, padding });
  }
  return x.graph.node("Conv", [narrow(x), weight, bias], {
    shape: convolvedShape(x, weight, { stride, padding }),
    attributes: { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: padsOf(padding) },
  });
}

/** The shape of a convolution's result. */
export function convolvedShape(x: Value, weight: Value, { stride = 1, padding = 0 }: ConvOptions): [number, number, number, number] {
  const [outChannels = 0, , kernel = 1] = weight.shape;
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const [top, left, bottom, right] = padsOf(padding);
  const size = (extent: number) => Math.floor((extent - kernel) / stride) + 1;
  return [batch, outChannels, size(height + top + bottom), size(width + left + right)];
}

/** Padding as [top, left, bottom, right]. */
export function padsOf(padding: NonNullable<ConvOptions["padding"]>): readonly [number, number, number, number] {
  return typeof padding === "number" ? [padding, padding, padding, padding] : padding;
}

/** x [n, channels, height, width] with a channel of zeros behind the others. */
function withZeroChannel(x: Value): Value {
  const [n = 0, , height = 0, width = 0] = x.shape;
  return concat([x, expand(x.graph.constant([0], [1, 1, 1, 1], x.dtype), [n, 1, height, width])], 1);
}

/** Group normalisation of x [batch, channels, height, width] (Wu & He 2018); weight and bias are [channels, 1, 1]. @throws ConfigError if the channels do not divide. */
export function groupNormalize(input: Value, groups: number, epsilon: number, weight: Value, bias: Value): Value {
  const x = narrow(input);
  const { graph, shape, dtype } = x;
  checkGroups(extent(x, 1), groups);
  const ones = graph.constant(new Float32Array(groups).fill(1), [groups], dtype);
  const zeros = graph.constant(new Float32Array(groups), [groups], dtype);
  // A group is an "instance" of the reshaped input, so InstanceNormalization's fast kernel serves. It sums in float32 for half precision, too.
  const whole = reshape(x, [shape[0] ?? 1, groups, -1]);
  // The kernel rounds the mean of equal numbers, and the error is divided by a deviation of almost 0. The group's first number is subtracted before: equal
  // numbers become exactly 0, and so does their mean. Not in half precision: the error is below rounding there, and a difference could overflow.
  const grouped = dtype === "float16" ? whole : sub(whole, slice(whole, 2, 0, 1));
  const normed = graph.node("InstanceNormalization", [grouped, ones, zeros], {
    shape: grouped.shape,
    attributes: { epsilon: { float: epsilon } },
  });
  return add(mul(reshape(normed, shape), weight), bias);
}

/** @throws ConfigError if the channels do not divide into groups. */
export function checkGroups(channels: number, groups: number): void {
  if (!(channels % groups === 0)) throw new ConfigError(`${channels} channels do not divide into ${groups} groups (norm_num_groups)`);
}

/** Layer normalisation over the last axis. */
export function layerNormalize(x: Value, epsilon: number, weight: Value, bias: Value): Value {
  return x.graph.node("LayerNormalization", [narrow(x), weight, bias], {
    shape: x.shape,
    attributes: { axis: -1, epsilon: { float: epsilon } },
  });
}

/**
 * Scaled dot-product attention over `heads` heads. query [batch, tokens, channels], key and value [batch, context, channels];
 * `bias` [1, 1, tokens, context] is added to the scores before the softmax.
 *
 * Configs' `upcast_attention` (Stable Diffusion 2.1) is not read: it is for scores that overflow half precision before they are scaled. Here they are
 * scaled first or within the operation, and diffusers' attention for torch 2 does not read it either.
 * @throws ConfigError if the channels do not divide into the heads.
 */
export function attention(query: Value, key: Value, value: Value, heads: number, bias?: Value): Value {
  const { graph, shape } = query;
  if (!(extent(query, 2) % heads === 0)) throw new ConfigError(`${shape[2]} channels do not divide into ${heads} attention heads`);
  const write = extent(query, 2) / heads <= graph.lowering.widestFusedHead ? fusedAttention : writtenOutAttention;
  return write(query, key, value, heads, bias);
}

/** Attention as one operation of the runtime. */
export function fusedAttention(query: Value, key: Value, value: Value, heads: number, bias?: Value): Value {
  const shape = [...query.shape.slice(0, 2), extent(value, 2)];
  const inputs = [query, key, value, undefined, undefined, bias].map((input) => input && narrow(input));
  return query.graph.node("MultiHeadAttention", inputs, {
    shape,
    domain: "com.microsoft",
    attributes: { num_heads: heads },
  });
}

/** Mean of each square of 2 x 2 pixels of x [batch, channels, height, width]; an odd last row or column is left out. */
export function averagePool(x: Value): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  return x.graph.node("AveragePool", [x], {
    shape: [batch, channels, Math.floor(height / 2), Math.floor(width / 2)],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  });
}

/** Mean over height and width of x [batch, channels, height, width] to [batch, channels, 1, 1], summed in float32. */
export function spatialMean(x: Value): Value {
  return x.graph.node("GlobalAveragePool", [widen(x)], { shape: [...x.shape.slice(0, 2), 1, 1] });
}

/** Every row of the last axis divided by its Euclidean length. */
export function unitLength(x: Value): Value {
  return x.graph.node("LpNormalization", [x], { shape: x.shape, attributes: { axis: -1, p: 2 } });
}

/** The Euclidean length of every row of the last axis: [..., 1]. */
export function rowLengths(x: Value): Value {
  return x.graph.node("ReduceL2", [x, x.graph.integers([-1])], { shape: [...x.shape.slice(0, -1), 1], attributes: { keepdims: 1 } });
}

/** Tokens whose exponentials are still summed in half precision; twice as many can exceed its largest number. */
const LONGEST_HALF_SUM = 2 ** 15;

/** Attention step by step. */
export function writtenOutAttention(query: Value, key: Value, value: Value, heads: number, bias?: Value): Value {
  const { graph } = query;
  const [batch = 0, tokens = 0] = query.shape;
  const context = extent(key, 1);
  const split = (x: Value, length: number) => reshape(x, [batch, length, heads, -1]);
  const perHead = (x: Value, length: number) => transpose(split(narrow(x), length), [0, 2, 1, 3]);
  const scores = matmul(
    scale(perHead(query, tokens), Math.sqrt(heads / extent(query, 2))),
    transpose(split(narrow(key), context), [0, 2, 3, 1]),
  );
  const biased = bias ? add(scores, bias) : scores;
  const summable = context > LONGEST_HALF_SUM ? widen(biased) : biased;
  const weights = narrow(graph.node("Softmax", [summable], { shape: biased.shape, attributes: { axis: -1 } }));
  return reshape(transpose(matmul(weights, perHead(value, context)), [0, 2, 1, 3]), [batch, tokens, -1]);
}

/** Matrix product over the last two axes. */
export function matmul(a: Value, b: Value): Value {
  return a.graph.node("MatMul", alike([a, b]), { shape: [...a.shape.slice(0, -1), b.shape.at(-1) ?? 0] });
}

/** Nearest-neighbour resize of x [batch, channels, height, width] to `height` x `width`, as torch's interpolate does it. */
export function resizeNearest(x: Value, height: number, width: number): Value {
  const { graph } = x;
  const [batch = 0, channels = 0] = x.shape;
  const shape = [batch, channels, height, width];
  return graph.node("Resize", [x, undefined, undefined, graph.integers(shape)], {
    shape,
    attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
  });
}

/** Values of one dtype: all narrow where one is. */
function alike(values: readonly Value[]): readonly Value[] {
  return values.some(({ dtype }) => dtype === "float16") ? values.map(narrow) : values;
}

/** An operation on each number, with NumPy broadcasting; band by band, where a picture is in bands. */
function elementwise(op: string, inputs: readonly [Value, ...Value[]], options: Omit<NodeOptions, "shape"> = {}): Value {
  const bands = inputs.find((input) => input.bands)?.bands;
  if (!bands) return inputs[0].graph.node(op, alike(inputs), { ...options, shape: inputs.map(({ shape }) => shape).reduce(broadcast) });
  let end = 0;
  return joinRows(
    bands.map(({ shape }) => {
      const start = end;
      end += shape[2] ?? 0;
      const parts = inputs.map((input) => ((input.shape.at(-2) ?? 1) === 1 ? input : takeRows(input, start, end)));
      return elementwise(op, parts as [Value, ...Value[]], options);
    }),
  );
}

function extent(x: Value, axis: number): number {
  const size = x.shape[axis];
  if (size === undefined) throw new ArgumentError(`[${x.shape}] has no axis ${axis}`);
  return size;
}

function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) throw new ArgumentError(`[${a}] and [${b}] do not broadcast`);
    return Math.max(m, n);
  });
}
