import { ConfigError } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { Value } from "../graph.js";
import { joinRows } from "./bands.js";
import { fromChannelsLast, toChannelsLast } from "./channels-last.js";
import { add, div, mul, scale, shift, sub } from "./elementwise.js";
import { narrow, widen } from "./precision.js";
import { matmul } from "./products.js";
import { concat, extent, reshape, slice } from "./shapes.js";

/**
 * Group normalisation of x [batch, channels, height, width] (Wu & He 2018); weight and bias are [channels, 1, 1], or have a batch in front.
 * @throws ConfigError if the channels do not divide into groups.
 */
export function groupNormalize(x: Value, groups: number, epsilon: number, weight: Value, bias: Value): Value {
  const channels = extent(x, 1);
  if (!(channels % groups === 0)) throw new ConfigError(`${channels} channels do not divide into ${groups} groups (norm_num_groups)`);
  if (isGroupNormFused(x, groups, weight)) return normalizeLast(x, groups, epsilon, weight, bias);
  return (x.bands ? normalizeBands : normalizeWhole)(x, groups, epsilon, weight, bias);
}

/** The kernel of the runtime's GroupNorm reads two channels at once, and has threads for this many channels of a group. */
const LARGEST_FUSED_GROUP = 256;

function isGroupNormFused({ graph, shape }: Value, groups: number, weight: Value): boolean {
  const perGroup = (shape[1] ?? 0) / groups;
  return (
    graph.lowering.channelsLast &&
    shape.length === 4 &&
    sizeOf(weight.shape) === shape[1] &&
    perGroup % 2 === 0 &&
    perGroup <= LARGEST_FUSED_GROUP
  );
}

/** Group normalisation with channels last, by the runtime's GroupNorm. Its gain and bias are always float32. */
function normalizeLast(input: Value, groups: number, epsilon: number, weight: Value, bias: Value): Value {
  const x = toChannelsLast(narrow(input));
  const perChannel = (value: Value) => widen(reshape(value, [-1]));
  const normed = (activation: 0 | 1) =>
    fromChannelsLast(
      x.graph.node("GroupNorm", [x, perChannel(weight), perChannel(bias)], {
        shape: x.shape,
        domain: "com.microsoft",
        attributes: { epsilon: { float: epsilon }, groups, activation, channels_last: 1 },
      }),
    );
  return { ...normed(0), withSilu: () => normed(1) };
}

/** Group normalisation by the runtime's InstanceNormalization. */
function normalizeWhole(input: Value, groups: number, epsilon: number, weight: Value, bias: Value): Value {
  const x = narrow(input);
  const { graph, shape, dtype } = x;
  const ones = graph.constant(new Float32Array(groups).fill(1), [groups], dtype);
  const zeros = graph.constant(new Float32Array(groups), [groups], dtype);
  // A group is an "instance" of the reshaped input. The kernel is fast, and sums in float32 for half precision, too.
  const whole = reshape(x, [shape[0] ?? 1, groups, -1]);
  // The kernel rounds the mean of equal numbers, and the error is divided by a deviation of almost 0. So the group's first number is
  // subtracted first: equal numbers become exactly 0, and so does their mean. In half precision the error is below rounding, and a
  // difference could overflow.
  const grouped = dtype === "float16" ? whole : sub(whole, slice(whole, 2, 0, 1));
  const normed = graph.node("InstanceNormalization", [grouped, ones, zeros], {
    shape: grouped.shape,
    attributes: { epsilon: { float: epsilon } },
  });
  return add(mul(reshape(normed, shape), weight), bias);
}

/** Group normalisation band by band. */
function normalizeBands(x: Value, groups: number, epsilon: number, weight: Value, bias: Value): Value {
  const { graph } = x;
  const [batch = 0, channels = 0] = x.shape;
  const perGroup = (value: Value) => reshape(value, [...value.shape.slice(0, -3), groups, -1]);
  const { mean, variance } = momentsOf(x, x.bands ?? [x], groups);
  const deviation = graph.node("Sqrt", [shift(variance, epsilon)], { shape: variance.shape });
  const gain = div(perGroup(weight), deviation);
  const offset = sub(perGroup(bias), mul(mean, gain));
  const perChannel = [batch, channels, 1, 1];
  return add(mul(x, reshape(gain, perChannel)), reshape(offset, perChannel));
}

/**
 * Mean and variance of each group of channels [batch, groups, 1], combined from those of the bands (Chan, Golub & LeVeque 1983). The mean
 * of equal numbers is exactly that number. A rounded mean would have an error as large as the deviation, which is almost 0, and the
 * normalisation divides by it.
 */
function momentsOf({ graph, shape }: Value, bands: readonly Value[], groups: number): { mean: Value; variance: Value } {
  const [batch = 0, , height = 0] = shape;
  const count = sizeOf(shape) / (batch * groups);
  const shares = graph.constant(
    bands.map((band) => (band.shape[2] ?? 0) / height),
    [bands.length, 1],
  );
  const ofBands = bands.map((band) => {
    const numbers = reshape(band, [batch, groups, -1]);
    const estimate = reduced("ReduceMean", numbers);
    const rest = sub(numbers, estimate);
    return { mean: add(estimate, reduced("ReduceMean", rest)), squares: reduced("ReduceSumSquare", rest) };
  });
  const means = concat(ofBands.map(({ mean }) => mean) as [Value, ...Value[]], 2);
  const first = slice(means, 2, 0, 1);
  const mean = add(first, matmul(sub(means, first), shares));
  const distances = sub(means, mean);
  const between = matmul(mul(distances, distances), shares);
  const within = scale(reduced("ReduceSum", concat(ofBands.map(({ squares }) => squares) as [Value, ...Value[]], 2)), 1 / count);
  return { mean, variance: add(within, between) };
}

/** The last axis reduced to one number. */
function reduced(op: string, x: Value): Value {
  return x.graph.node(op, [x, x.graph.integers([x.shape.length - 1])], { shape: [...x.shape.slice(0, -1), 1] });
}

/** Layer normalisation over the last axis (Ba et al. 2016). Without a weight the gain is 1, without a bias the offset is 0. */
export function layerNormalize(x: Value, epsilon: number, weight?: Value, bias?: Value): Value {
  return x.graph.node("LayerNormalization", [narrow(x), weight ?? ones(x), bias], {
    shape: x.shape,
    attributes: { axis: -1, epsilon: { float: epsilon } },
  });
}

/** Root mean square normalisation over the last axis (Zhang & Sennrich 2019). Without a weight the gain is 1. */
export function rmsNormalize(x: Value, epsilon: number, weight?: Value): Value {
  return x.graph.node("SimplifiedLayerNormalization", [narrow(x), weight ?? ones(x)], {
    shape: x.shape,
    attributes: { axis: -1, epsilon: { float: epsilon } },
  });
}

/** A gain of 1 for each number of x's last axis. */
function ones(x: Value): Value {
  const width = extent(x, x.shape.length - 1);
  return x.graph.constant(new Float32Array(width).fill(1), [width], x.graph.float);
}

/** Every row of the last axis divided by its Euclidean length. */
export function unitLength(x: Value): Value {
  return x.graph.node("LpNormalization", [x], { shape: x.shape, attributes: { axis: -1, p: 2 } });
}

/** The Euclidean length of every row of the last axis: [..., 1]. */
export function rowLengths(x: Value): Value {
  return x.graph.node("ReduceL2", [x, x.graph.integers([-1])], { shape: [...x.shape.slice(0, -1), 1], attributes: { keepdims: 1 } });
}

/**
 * Every pixel of x [batch, channels, height, width] divided by the root mean square of its channels, times weight [channels, 1, 1]: torch's
 * `F.normalize` over the channels, times the root of their number. A pixel of zeros stays 0.
 */
export function channelRmsNormalize(x: Value, weight: Value): Value {
  if (x.bands) return joinRows(x.bands.map((band) => channelRmsNormalize(band, weight)));
  const { graph } = x;
  // Squares can overflow half precision.
  const wide = widen(x);
  const [batch = 0, channels = 0, ...sides] = x.shape;
  const one = { shape: [batch, 1, ...sides] };
  const squares = graph.node("ReduceSumSquare", [wide, graph.integers([1])], { ...one, attributes: { keepdims: 1 } });
  // The smallest length of torch's F.normalize.
  const length = graph.node("Max", [graph.node("Sqrt", [squares], one), graph.constant([1e-12], [])], one);
  return mul(div(wide, scale(length, 1 / Math.sqrt(channels))), weight);
}
