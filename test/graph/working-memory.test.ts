import { describe, expect, it } from "vitest";
import { Graph, type Value } from "../../src/graph/graph.js";
import { add, mul } from "../../src/graph/ops/elementwise.js";
import { matmul } from "../../src/graph/ops/products.js";
import { reshape, transpose } from "../../src/graph/ops/shapes.js";

/** The working memory of a graph on x [100, 100], in values of its size. */
function valuesOf(build: (x: Value, graph: Graph) => Value): number {
  const graph = new Graph();
  graph.output("y", build(graph.input("x", "float32", [100, 100]), graph));
  return (graph.finish().memory?.working ?? 0) / 40_000;
}

describe("a graph's working memory", () => {
  it("is that of the values that are needed at the same time", () => {
    expect(valuesOf((x) => matmul(matmul(matmul(x, x), x), x))).toBe(3);
    expect(valuesOf((x) => [1, 2, 3].map(() => matmul(x, x)).reduce((a, b) => matmul(a, b)))).toBe(5);
  });

  it("counts a result that can be written over an input once", () => {
    const chain = (x: Value) => {
      const product = matmul(x, x);
      return add(mul(product, product), x);
    };
    expect(valuesOf(chain)).toBe(2);
  });

  it("does not count another shape of a value, and keeps the value as long as that", () => {
    expect(valuesOf((x) => reshape(matmul(x, x), [10_000]))).toBe(2);
    const used = (x: Value) => {
      const flat = reshape(matmul(x, x), [10, 1000]);
      return matmul(matmul(x, x), reshape(flat, [100, 100]));
    };
    expect(valuesOf(used)).toBe(4);
  });

  it("has each widened weight for its own product only, and no weight that is mapped from its file", () => {
    const working = (dtype: "float32" | "bfloat16") => {
      const graph = new Graph();
      const length = 10_000 * (dtype === "float32" ? 4 : 2);
      const weight = (i: number) =>
        graph.weight({ name: `w${i}`, dtype, shape: [100, 100], file: { id: "file" }, offset: i * length, length }, [100, 100]);
      const x = graph.input("x", "float32", [1, 100]);
      const weights = [0, 1, 2, 3].map(weight);
      graph.output(
        "y",
        weights.reduce((h, w) => matmul(h, transpose(w, [0, 1])), x as Value),
      );
      return graph.finish().memory;
    };
    expect(working("float32")?.weights).toBe(160_000);
    expect(working("bfloat16")?.weights).toBe(80_000);
    expect(working("bfloat16")?.working).toBeLessThan(100_000);
  });

  it("counts what is prepared once and fed to every run", () => {
    const graph = new Graph();
    const stored = { name: "w", dtype: "float32", shape: [100, 100], file: { id: "file" }, offset: 0, length: 40_000 } as const;
    const doubled = graph.changed(graph.weight(stored, [100, 100]), "doubled", (own) => add(own, own));
    graph.output("y", matmul(graph.input("x", "float32", [1, 100]), doubled));
    expect(graph.finish().memory?.working).toBe(40_000 + 2 * 400);
  });
});
