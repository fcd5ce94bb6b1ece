import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { Graph, type Value } from "../../src/graph/graph.js";
import { gelu, mish, quickGelu, relu, silu, tanh } from "../../src/graph/ops/activations.js";
import { attention } from "../../src/graph/ops/attention.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { add, clip, cos, div, mul, scale, shift, sin, sub } from "../../src/graph/ops/elementwise.js";
import { groupNormalize, layerNormalize } from "../../src/graph/ops/norms.js";
import { affine } from "../../src/graph/ops/products.js";
import { resizeNearest } from "../../src/graph/ops/resampling.js";
import { concat, expand, gather, reshape, slice, split, transpose } from "../../src/graph/ops/shapes.js";
import { type Shape, Tensor } from "../../src/tensor/tensor.js";
import { evaluate, ramp } from "./onnx-runtime.js";

const RUNS = { numRuns: 20 };
const extent = fc.integer({ min: 1, max: 6 });
const shape = (rank: number) => fc.array(extent, { minLength: rank, maxLength: rank });
const anyShape = fc.integer({ min: 1, max: 4 }).chain(shape);
const picture = shape(4);

type Build = (input: (shape: Shape) => Value, graph: Graph) => Value;

/** The shape a result is said to have is the one ONNX Runtime gives it. */
async function expectTrueShape(build: Build): Promise<void> {
  const { declared, result } = await evaluate((graph, input) => build((dimensions) => input(ramp(dimensions)), graph));
  expect(result.shape).toEqual(declared.shape);
  expect(result.dtype).toBe(declared.dtype);
}

function claims<Case>(cases: fc.Arbitrary<Case>, build: (sample: Case) => Build): () => Promise<void> {
  return () =>
    fc.assert(
      fc.asyncProperty(cases, (sample) => expectTrueShape(build(sample))),
      RUNS,
    );
}

describe("the shape of a result is known before the graph runs", () => {
  it(
    "conv2d, whatever the kernel, stride and padding",
    claims(
      fc.record({
        x: picture,
        out: extent,
        kernel: fc.integer({ min: 1, max: 3 }),
        stride: fc.integer({ min: 1, max: 3 }),
        padding: fc.oneof(fc.constant(1), fc.tuple(extent, extent, extent, extent)),
        hasBias: fc.boolean(),
      }),
      ({ x, out, kernel, stride, padding, hasBias }) =>
        (input) =>
          conv2d(input(x), input([out, x[1] ?? 0, kernel, kernel]), hasBias ? input([out]) : undefined, { stride, padding }),
    ),
  );
  it(
    "resizeNearest, up and down",
    claims(
      fc.tuple(picture, extent, extent),
      ([x, height, width]) =>
        (input) =>
          resizeNearest(input(x), height, width),
    ),
  );
  it(
    "concat along any axis",
    claims(
      anyShape.chain((x) => fc.record({ x: fc.constant(x), axis: fc.nat(x.length - 1), others: fc.array(extent, { maxLength: 3 }) })),
      ({ x, axis, others }) =>
        (input) =>
          concat([input(x), ...others.map((size) => input(x.with(axis, size)))], axis),
    ),
  );
  it(
    "slice of any part of any axis",
    claims(
      anyShape.chain((x) => fc.record({ x: fc.constant(x), axis: fc.nat(x.length - 1), from: fc.nat(5), length: extent })),
      ({ x, axis, from, length }) =>
        (input) => {
          const size = x[axis] ?? 1;
          const start = Math.min(from, size - 1);
          return slice(input(x), axis, start, Math.min(size, start + length));
        },
    ),
  );
  it(
    "affine over any number of leading axes",
    claims(
      fc.record({ leading: fc.array(extent, { maxLength: 3 }), width: extent, out: extent, hasBias: fc.boolean() }),
      ({ leading, width, out, hasBias }) =>
        (input) =>
          affine(input([...leading, width]), input([out, width]), hasBias ? input([out]) : undefined),
    ),
  );
  it(
    "attention, with and without a mask",
    claims(
      fc.record({ batch: extent, tokens: extent, context: extent, heads: extent, headWidth: extent, isMasked: fc.boolean() }),
      ({ batch, tokens, context, heads, headWidth, isMasked }) =>
        (input) => {
          const [query, key, value] = [tokens, context, context].map((length) => input([batch, length, heads * headWidth])) as [
            Value,
            Value,
            Value,
          ];
          return attention(query, key, value, heads, isMasked ? input([1, 1, tokens, context]) : undefined);
        },
    ),
  );
  it(
    "groupNormalize",
    claims(
      fc.record({ batch: extent, groups: extent, width: extent, height: extent, columns: extent }),
      ({ batch, groups, width, height, columns }) =>
        (input) => {
          const channels = groups * width;
          return groupNormalize(input([batch, channels, height, columns]), groups, 1e-5, input([channels, 1, 1]), input([channels, 1, 1]));
        },
    ),
  );
  it(
    "layerNormalize",
    claims(anyShape, (x) => (input) => {
      const width = [x.at(-1) ?? 1];
      return layerNormalize(input(x), 1e-5, input(width), input(width));
    }),
  );
  it(
    "arithmetic with NumPy broadcasting",
    claims(
      fc.record({ full: anyShape, kept: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), rank: fc.nat(4) }),
      ({ full, kept, rank }) =>
        (input) => {
          const narrow = full.map((size, i) => (kept[i] ? size : 1)).slice(Math.max(0, full.length - rank));
          return div(mul(sub(add(input(full), input(narrow)), input(narrow)), input(full)), input(narrow));
        },
    ),
  );
  it(
    "element-wise functions",
    claims(fc.tuple(anyShape, fc.integer({ min: 0, max: 10 })), ([x, which]) => (input) => {
      const functions = [silu, quickGelu, gelu, relu, mish, tanh, sin, cos];
      const unary = functions[which];
      if (unary) return unary(input(x));
      return which === 8 ? scale(input(x), 3) : which === 9 ? shift(input(x), 1) : clip(input(x), -1, 1);
    }),
  );
  it(
    "reshape with an extent left to find, then transpose",
    claims(fc.tuple(shape(3), fc.shuffledSubarray([0, 1], { minLength: 2 })), ([x, order]) => (input) => {
      return transpose(reshape(input(x), [x[0] ?? 1, -1]), order);
    }),
  );
  it(
    "expand along axes of extent 1",
    claims(anyShape, (x) => (input) => expand(input(x.map((size, i) => (i % 2 === 0 ? 1 : size))), x)),
  );
  it("gather", async () => {
    const { declared, result } = await evaluate((_, input) =>
      gather(input(ramp([7, 3])), input(new Tensor("int64", [2, 4], BigInt64Array.of(0n, 6n, 1n, 1n, 2n, 3n, 4n, 5n)))),
    );
    expect(result.shape).toEqual(declared.shape);
    expect(result.shape).toEqual([2, 4, 3]);
  });
});

describe("results", () => {
  it("resizeNearest takes torch's pixels for every pair of sizes that an upsampling meets", async () => {
    for (const from of [1, 2, 3, 5, 7, 12, 13, 31]) {
      for (const to of [2 * from - 1, 2 * from, 2 * from + 1]) {
        const row = Tensor.from(
          Array.from({ length: from }, (_, i) => i),
          [1, 1, 1, from],
        );
        const { result } = await evaluate((_, input) => resizeNearest(input(row), 1, to));
        // torch: floor(i * (from / to)), the ratio in float32.
        expect(result.toArray()).toEqual(Array.from({ length: to }, (_, i) => Math.floor(Math.fround(i * Math.fround(from / to)))));
      }
    }
  });

  it("conv2d pads [top, left, bottom, right]", async () => {
    const { result } = await evaluate((_, input) =>
      conv2d(input(Tensor.from([1, 2, 3, 4], [1, 1, 2, 2])), input(Tensor.from([1], [1, 1, 1, 1])), undefined, {
        padding: [0, 1, 2, 0],
      }),
    );
    expect(result.shape).toEqual([1, 1, 4, 3]);
    expect(result.toArray()).toEqual([0, 1, 2, 0, 3, 4, 0, 0, 0, 0, 0, 0]);
  });

  it("affine adds the bias to the product with the transposed weight", async () => {
    const { result } = await evaluate((_, input) =>
      affine(input(Tensor.from([1, 2], [1, 1, 2])), input(Tensor.from([1, 0, 0, 1, 1, 1], [3, 2])), input(Tensor.from([10, 20, 30]))),
    );
    expect(result.toArray()).toEqual([11, 22, 33]);
  });

  it("attention under a causal mask lets the first token see itself alone", async () => {
    const lowest = -3.4028234663852886e38;
    const value = Tensor.from([1, 2, 30, 40], [1, 2, 2]);
    const { result } = await evaluate((graph, input) =>
      attention(input(ramp([1, 2, 2])), input(ramp([1, 2, 2])), input(value), 2, graph.constant([0, lowest, 0, 0], [1, 1, 2, 2])),
    );
    expect(result.toArray().slice(0, 2)).toEqual([1, 2]);
  });

  it("split gives the parts in order", async () => {
    const { result } = await evaluate((_, input) => {
      const [first, second] = split(input(Tensor.from([1, 2, 3, 4], [1, 4])), 1, 2) as [Value, Value];
      return concat([second, first], 1);
    });
    expect(result.toArray()).toEqual([3, 4, 1, 2]);
  });
});

describe("an operation that cannot be computed is refused while the graph is built", () => {
  const value = (dimensions: Shape) => new Graph().input("x", "float32", dimensions);

  it.each<[string, () => unknown, RegExp]>([
    ["adding shapes that do not broadcast", () => add(value([2, 3]), value([2, 4])), /\[2,3\] and \[2,4\] do not broadcast/],
    ["a reshape to another size", () => reshape(value([2, 3]), [4, 2]), /\[2,3\] cannot be seen as \[4,2\]/],
    ["a reshape whose free extent is no whole number", () => reshape(value([2, 3]), [4, -1]), /\[2,3\] cannot be seen as \[4,-1\]/],
    [
      "a linear layer given other features",
      () => affine(value([1, 3]), value([5, 4])),
      /linear layer x takes 4 features; \[1,3\] was given/,
    ],
    [
      "a convolution given other channels",
      () => conv2d(value([1, 3, 8, 8]), value([5, 4, 3, 3]), undefined),
      /takes 4 channels; \[1,3,8,8\]/,
    ],
    ["joining along an axis that is not there", () => concat([value([2, 3])], 2), /\[2,3\] has no axis 2/],
    [
      "joining shapes that differ elsewhere",
      () => concat([value([2, 3, 4]), value([2, 3, 5])], 1),
      /\[2,3,4\] and \[2,3,5\] do not join along axis 1/,
    ],
    ["a slice past the end", () => slice(value([2, 3]), 1, 2, 4), /\[2,3\] has no part 2 to 4 on axis 1/],
    ["an uneven split", () => split(value([2, 3]), 1, 2), /axis 1 of \[2,3\] does not split into 2 equal parts/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ArgumentError);
    expect(build).toThrow(message);
  });

  it("channels that do not divide into the norm's groups", () => {
    const build = () => groupNormalize(value([1, 6, 2, 2]), 4, 1e-5, value([6, 1, 1]), value([6, 1, 1]));
    expect(build).toThrow(new ConfigError("6 channels do not divide into 4 groups (norm_num_groups)"));
  });

  it("channels that do not divide into attention heads", () => {
    const build = () => attention(value([1, 2, 6]), value([1, 2, 6]), value([1, 2, 6]), 4);
    expect(build).toThrow(new ConfigError("6 channels do not divide into 4 attention heads"));
  });
});

describe("group normalisation of equal numbers", () => {
  const constant = (shape: Shape, values: readonly number[]) => {
    const plane = (shape[2] ?? 1) * (shape[3] ?? 1);
    return Tensor.from(
      Float32Array.from({ length: values.length * plane }, (_, i) => values[Math.floor(i / plane)] as number),
      shape,
    );
  };

  it.each([
    ["one channel a group", 4, [1, 4, 33, 47], [0.1, 3.7, -100.3, 12345.6]],
    ["several channels a group", 2, [1, 4, 16, 16], [0.3, 0.3, 77.7, 77.7]],
    ["a batch of single pixels", 2, [2, 2, 1, 1], [5.1, -0.7, 1e4, 3e-3]],
  ] as const)("is exactly the bias: %s", async (_, groups, shape, values) => {
    const channels = shape[1];
    const bias = Array.from({ length: channels }, (_, i) => i + 0.5);
    const { result } = await evaluate((_, input) =>
      groupNormalize(
        input(constant(shape, values)),
        groups,
        1e-6,
        input(Tensor.from([...bias.map((value) => value + 2)], [channels, 1, 1])),
        input(Tensor.from(bias, [channels, 1, 1])),
      ),
    );
    expect(result.toArray()).toEqual(
      constant(
        shape,
        values.map((_, i) => bias[i % channels] as number),
      ).toArray(),
    );
  });
});

describe("sine and cosine", () => {
  const angles = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) * 0.7 + i / 4001);

  it.each(["cpu", "webgpu"] as const)("are right within 3e-7 on %s, for angles up to 1400", async (device) => {
    for (const [operation, expected] of [[sin, Math.sin] as const, [cos, Math.cos] as const]) {
      const { result } = await evaluate((_, input) => operation(input(Tensor.from(angles, [4001]))), { capabilities: { device } });
      const errors = result.toArray().map((value, i) => Math.abs(Number(value) - expected(angles[i] as number)));
      expect(Math.max(...errors)).toBeLessThan(3e-7);
    }
  });
});
