import { describe, expect, it } from "vitest";
import { Graph, type Value } from "../../src/graph/graph.js";
import type { GraphCapabilities } from "../../src/graph/lowering.js";
import { attention } from "../../src/graph/ops/attention.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Shape, Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { evaluate } from "./onnx-runtime.js";

/** How often a graph for these shapes has the operation. */
function count(op: string, capabilities: GraphCapabilities, [batch = 1, tokens = 1, channels = 1]: Shape, heads: number): number {
  const graph = new Graph({ capabilities });
  const [query, key, value] = ["q", "k", "v"].map((name) => graph.input(name, "float32", [batch, tokens, channels])) as [
    Value,
    Value,
    Value,
  ];
  graph.output("y", attention(query, key, value, heads));
  return graph.finish().model.nodes.filter((node) => node.op === op).length;
}

const fused = (...graph: [GraphCapabilities, Shape, number]) => count("MultiHeadAttention", ...graph);
const writtenOut = (...graph: [GraphCapabilities, Shape, number]) => count("Softmax", ...graph);

describe("attention on WebGPU", () => {
  it("is one operation if the device computes it correctly and heads are narrow", () => {
    expect(fused({ device: "webgpu", fusedAttention: true }, [1, 64, 80], 2)).toBe(1);
    expect(fused({ device: "webgpu", fusedAttention: false }, [1, 64, 80], 2)).toBe(0);
    expect(fused({ device: "webgpu", fusedAttention: true }, [1, 64, 1024], 2)).toBe(0);
  });
});

describe("attention in WebAssembly", () => {
  const wasm = { device: "wasm" } as const;

  it("is one operation for small pictures", () => {
    expect(fused(wasm, [2, 1024, 320], 8)).toBe(1);
  });

  it("takes queries in blocks if there are many scores", () => {
    expect(fused({ device: "cpu" }, [2, 4096, 320], 8)).toBe(1);
    expect(fused(wasm, [2, 4096, 320], 8)).toBe(8);
  });

  it("is written out if the operation would fail", () => {
    expect(fused(wasm, [1, 4000, 64], 1)).toBe(1);
    expect([fused(wasm, [1, 4096, 64], 1), writtenOut(wasm, [1, 4096, 64], 1)]).toEqual([0, 1]);
    expect(fused(wasm, [1, 1448, 512], 1)).toBe(1);
    expect([fused(wasm, [1, 1449, 512], 1), writtenOut(wasm, [1, 1449, 512], 1)]).toEqual([0, 1]);
  });

  it.each<[string, Shape, number]>([
    ["in blocks", [1, 740, 128], 64],
    ["written out", [1, 1449, 512], 1],
  ])("gives the numbers of attention at once: %s", async (_, shape, heads) => {
    const [tokens = 0] = shape.slice(1);
    const generator = new Generator(1);
    const [query, key, value] = [0, 1, 2].map(() => randn(shape, generator)) as [Tensor, Tensor, Tensor];
    const bias = randn([1, 1, tokens, tokens], generator);
    const on = async (device: "cpu" | "wasm") => {
      const { result } = await evaluate((_graph, input) => attention(input(query), input(key), input(value), heads, input(bias)), {
        capabilities: { device },
      });
      return result;
    };
    expectClose(await on("wasm"), await on("cpu"), 1e-5);
  });
});
