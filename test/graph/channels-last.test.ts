import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Graph, type GraphOptions, type Value } from "../../src/graph/graph.js";
import { gatedGelu, gelu, hasGatedGelu, silu } from "../../src/graph/ops/activations.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { add, mul, scale } from "../../src/graph/ops/elementwise.js";
import { groupNormalize } from "../../src/graph/ops/norms.js";
import { narrow } from "../../src/graph/ops/precision.js";
import { resizeNearest } from "../../src/graph/ops/resampling.js";
import { concat, reshape, slice, split, transpose } from "../../src/graph/ops/shapes.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Shape, Tensor } from "../../src/tensor/tensor.js";
import { relativeDifference } from "../helpers/half-precision.js";
import { withoutProviderOperators } from "../helpers/provider-operators.js";

const CUDA: GraphOptions = { capabilities: { device: "cuda", halfPrecision: true, diffusionOperators: true }, precision: "fast" };

type Build = (...values: Value[]) => Value;

let cpu: Engine;
beforeAll(async () => {
  cpu = await createEngine({ device: "cpu" });
});
afterAll(() => cpu.dispose());

function written(shapes: readonly Shape[], build: Build, options: GraphOptions = CUDA) {
  const graph = new Graph(options);
  graph.output("y", build(...shapes.map((shape, i) => graph.input(`x${i}`, "float32", shape))));
  return graph.finish();
}

/** The operations of a graph for CUDA, and how far its result is from that of the graph for the CPU. */
async function onBoth(shapes: readonly Shape[], build: Build) {
  const generator = new Generator(0);
  const feeds = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, randn(shape, generator)]));
  const run = async (graph: ReturnType<typeof written>) => {
    const session = await cpu.load(graph);
    const { y } = await session.run(feeds);
    await session.release();
    return y as Tensor;
  };
  const graph = written(shapes, build);
  const expected = await run(written(shapes, build, {}));
  const found = await run(withoutProviderOperators(graph));
  expect(found.shape).toEqual(expected.shape);
  return { ops: graph.model.nodes.map(({ op }) => op), nodes: graph.model.nodes, error: relativeDifference(found, expected) };
}

const times = (ops: readonly string[], op: string) => ops.filter((each) => each === op).length;
const weights = ({ graph }: Value, ...shape: number[]) =>
  narrow(
    graph.constant(
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
      shape,
    ),
  );

describe("pictures with channels last", () => {
  it("are convolved, normalised and activated without transpositions in between", async () => {
    const { ops, nodes, error } = await onBoth([[2, 8, 6, 10]], (x) => {
      const first = conv2d(x as Value, weights(x as Value, 16, 8, 3, 3), weights(x as Value, 16), { padding: 1 });
      const normed = silu(groupNormalize(first, 4, 1e-5, weights(x as Value, 16, 1, 1), weights(x as Value, 16, 1, 1)));
      const second = conv2d(normed, weights(x as Value, 16, 16, 3, 3), undefined, { padding: [0, 0, 1, 1], stride: 2 });
      return conv2d(second, weights(x as Value, 4, 16, 1, 1), undefined);
    });
    expect(ops.filter((op) => op !== "Cast" && op !== "Reshape" && op !== "Transpose")).toEqual([
      "NhwcConv",
      "GroupNorm",
      "NhwcConv",
      "NhwcConv",
    ]);
    // One at the beginning, one at the end, and three of weights.
    expect(times(ops, "Transpose")).toBe(5);
    expect(nodes.find(({ op }) => op === "GroupNorm")?.attributes).toMatchObject({ groups: 4, activation: 1, channels_last: 1 });
    expect(error).toBeLessThan(5e-3);
  });

  it.each<[string, readonly Shape[], number, Build]>([
    [
      "are added, with a number for each channel",
      [
        [2, 8, 6, 10],
        [2, 8, 1, 1],
        [8, 1, 1],
      ],
      2,
      (x, perPicture, perChannel) => mul(add(lastly(x as Value), perPicture as Value), narrow(perChannel as Value)),
    ],
    ["are scaled", [[1, 8, 3, 5]], 2, (x) => scale(lastly(x as Value), 3)],
    ["are joined along every axis", [[1, 8, 3, 5]], 2, (x) => [0, 1, 2, 3].reduce((h, axis) => concat([h, h], axis), lastly(x as Value))],
    [
      "are cut along every axis",
      [[2, 8, 6, 10]],
      2,
      (x) => [0, 1, 2, 3].reduce((h, axis) => slice(h, axis, 1, h.shape[axis] as number), lastly(x as Value)),
    ],
    ["are enlarged", [[2, 8, 3, 5]], 2, (x) => resizeNearest(lastly(x as Value), 6, 10)],
    [
      "are tokens without a transposition, and pictures again",
      [[2, 8, 3, 5]],
      2,
      (x) => {
        const tokens = transpose(reshape(lastly(x as Value), [2, 8, 15]), [0, 2, 1]);
        return scale(reshape(transpose(scale(tokens, 2), [0, 2, 1]), [2, 8, 3, 5]), 2);
      },
    ],
    ["are transposed only if an operation needs that", [[2, 8, 3, 5]], 2, (x) => reshape(lastly(x as Value), [4, 4, 15])],
  ])("%s", async (_, shapes, transposes, build) => {
    const { ops, error } = await onBoth(shapes, build);
    // With that of the weight.
    expect(times(ops, "Transpose")).toBe(transposes + 1);
    expect(error).toBeLessThan(2e-3);
  });

  /** A picture as a convolution leaves it. */
  function lastly(x: Value): Value {
    const channels = x.shape[1] as number;
    const same = Array.from({ length: channels ** 2 }, (_, i) => Number(i % (channels + 1) === 0));
    return conv2d(x, narrow(x.graph.constant(same, [channels, channels, 1, 1])), undefined);
  }

  it("are normalised by the written-out norm where the provider's cannot", async () => {
    // Three channels in a group.
    const { ops, error } = await onBoth([[2, 6, 4, 4]], (x) =>
      silu(groupNormalize(x as Value, 2, 1e-5, weights(x as Value, 6, 1, 1), weights(x as Value, 6, 1, 1))),
    );
    expect(times(ops, "GroupNorm")).toBe(0);
    expect(error).toBeLessThan(2e-3);
    // Gains of each picture.
    const perPicture = written(
      [
        [2, 8, 4, 4],
        [2, 8, 1, 1],
      ],
      (x, gain) => groupNormalize(x as Value, 2, 1e-5, narrow(gain as Value), narrow(gain as Value)),
    );
    expect(perPicture.model.nodes.map(({ op }) => op)).not.toContain("GroupNorm");
  });

  it("are only written for half precision on CUDA, and only if its operators are right", () => {
    const build: Build = (x) => conv2d(x as Value, weights(x as Value, 8, 8, 3, 3), undefined, { padding: 1 });
    for (const device of ["cpu", "wasm", "webgpu", "cuda", "coreml", "dml"] as const) {
      for (const precision of ["exact", "fast"] as const) {
        for (const diffusionOperators of [true, undefined]) {
          const { model } = written([[1, 8, 4, 4]], build, {
            capabilities: { device, halfPrecision: true, diffusionOperators },
            precision,
          });
          const isWritten = model.nodes.some(({ op }) => op === "NhwcConv");
          expect(isWritten).toBe(device === "cuda" && precision === "fast" && diffusionOperators === true);
        }
      }
    }
  });
});

describe("a gated GELU", () => {
  it("is one operation for the widths that the kernel has", async () => {
    const build: Build = (x) => {
      const wide = narrow(x as Value);
      if (hasGatedGelu(wide, 2560)) return gatedGelu(wide);
      const [value, gate] = split(wide, 2, 2) as [Value, Value];
      return mul(value, gelu(gate));
    };
    const { ops, error } = await onBoth([[2, 3, 2560]], build);
    expect(times(ops, "BiasSplitGelu")).toBe(1);
    expect(error).toBeLessThan(2e-3);
    expect(
      written([[2, 3, 256]], (x) => (hasGatedGelu(x as Value, 256) ? gatedGelu(x as Value) : gelu(x as Value))).model.nodes.map(
        ({ op }) => op,
      ),
    ).toContain("Gelu");
  });
});

it("a value is converted once", () => {
  const { model } = written([[2, 4]], (x) => add(scale(narrow(x as Value), 2), narrow(x as Value)));
  // To half precision, and back for the result.
  expect(model.nodes.filter(({ op }) => op === "Cast")).toHaveLength(2);
});
