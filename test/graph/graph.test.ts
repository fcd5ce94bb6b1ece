import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { ArgumentError, CheckpointError } from "../../src/errors.js";
import { Graph, type Value } from "../../src/graph/graph.js";
import { encodeModel } from "../../src/graph/onnx.js";
import { add } from "../../src/graph/ops/elementwise.js";
import { concat, gather, reshape, rows } from "../../src/graph/ops/shapes.js";
import { Scope } from "../../src/graph/scope.js";
import { diskFile } from "../../src/platform/node/disk-file.js";
import { openFolder } from "../../src/platform/node/platform.js";
import type { DType } from "../../src/tensor/dtype.js";
import { byteSize } from "../../src/tensor/dtype.js";
import type { StoredTensor } from "../../src/tensor/stored-tensor.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { onnxOf, onnxText } from "../helpers/graphs.js";
import { safetensorsBytes, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { evaluate, ramp } from "./onnx-runtime.js";

/** A weight whose numbers are the file's `data`, which starts at `offset`. */
function weightIn(file: string, data: Uint8Array, offset: number, dtype: DType = "float32"): StoredTensor {
  const handle = openSync(file, "w");
  writeSync(handle, data, 0, data.length, offset);
  closeSync(handle);
  return { name: "weight", dtype, shape: [data.length / byteSize(dtype)], file: diskFile(file), offset, length: data.length };
}

const W: StoredTensor = { name: "w", dtype: "float32", shape: [], file: { id: "w.bin" }, offset: 0, length: 0 };

const bytesOf = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe("constants", () => {
  it("are written once if they are equal", async () => {
    const sizeWith = async (times: number) => {
      const graph = new Graph();
      const large = Array.from({ length: 1000 }, (_, i) => i);
      for (let i = 0; i < times; i++) graph.constant(large);
      return (await onnxOf(graph)).length;
    };
    expect(await sizeWith(5)).toBe(await sizeWith(1));
  });

  it("are different values in different shapes", async () => {
    const { result } = await evaluate((graph) => add(graph.constant([1, 2]), graph.constant([1, 2], [2, 1])));
    expect(result.toArray()).toEqual([2, 3, 3, 4]);
  });

  it("are refused in a shape of another size", () => {
    expect(() => new Graph().constant([1, 2, 3], [2, 2])).toThrow(new ArgumentError("constant of shape [2,2] was given 3 numbers"));
  });

  it("can be negative integers beyond 32 bits", async () => {
    const graph = new Graph();
    graph.output("y", graph.integers([-1, -(2 ** 40), 2 ** 53 - 1]));
    const { InferenceSession } = await import("onnxruntime-node");
    const session = await InferenceSession.create(await onnxOf(graph));
    const { y } = await session.run({});
    expect(y?.data).toEqual(BigInt64Array.of(-1n, -(2n ** 40n), 2n ** 53n - 1n));
  });
});

describe("weights", () => {
  it("are read at their place in the file, aligned or not", async () => {
    for (const offset of [0, 8, 13, 4097]) {
      const weight = weightIn(join(temporaryFolder(), "w.bin"), bytesOf([1, 2, 3]), offset);
      const { result } = await evaluate((graph, input) => add(graph.weight(weight, [3]), input(Tensor.zeros([3]))));
      expect(result.toArray()).toEqual([1, 2, 3]);
    }
  });

  it("are read beyond 4 GiB", async () => {
    const weight = weightIn(join(temporaryFolder(), "sparse.bin"), bytesOf([4, 5]), 5 * 2 ** 30);
    const { result } = await evaluate((graph, input) => add(graph.weight(weight, [2]), input(Tensor.zeros([2]))));
    expect(result.toArray()).toEqual([4, 5]);
  });

  it("are read from a folder with a name that is not ASCII", async () => {
    const folder = join(temporaryFolder(), "modèles 模型 (1)");
    mkdirSync(folder);
    const weight = weightIn(join(folder, "w.bin"), bytesOf([6]), 0);
    const { result } = await evaluate((graph, input) => add(graph.weight(weight, [1]), input(Tensor.zeros([1]))));
    expect(result.toArray()).toEqual([6]);
  });

  it.each(["float16", "bfloat16", "float64"] as const)("of %s are widened to float32", async (dtype) => {
    const values = Tensor.from([1, -0.5, 1.75, 100]).to(dtype);
    const weight = weightIn(join(temporaryFolder(), "w.bin"), new Uint8Array(values.data.buffer), 6, dtype);
    const { result } = await evaluate((graph, input) => add(graph.weight(weight, [2, 2]), input(Tensor.zeros([2, 2]))));
    expect(result.toArray()).toEqual([1, -0.5, 1.75, 100]);
  });

  it("can be seen in two shapes and in halves", async () => {
    const weight = weightIn(join(temporaryFolder(), "w.bin"), bytesOf([1, 2, 3, 4]), 8);
    const half = { ...weight, offset: 16, length: 8 };
    const { result } = await evaluate((graph, input) => {
      const parts = [graph.weight(weight, [4]), reshape(graph.weight(weight, [2, 2]), [4]), graph.weight(half, [2])] as const;
      return add(concat(parts, 0), input(Tensor.zeros([10])));
    });
    expect(result.toArray()).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 3, 4]);
  });

  it("add nothing to the model's size", async () => {
    const graph = new Graph();
    const length = 4 * 2 ** 30;
    graph.output("y", graph.weight({ ...W, length }, [2 ** 30]));
    expect((await onnxOf(graph)).length).toBeLessThan(300);
  });

  it("are at the place that the platform gives their file", async () => {
    const graph = new Graph();
    graph.output("y", graph.weight({ ...W, shape: [1], length: 4 }, [1]));
    const bytes = await encodeModel(graph.finish().model, ({ id }) => `the key of ${id}`);
    expect(Buffer.from(bytes).toString("latin1")).toContain("the key of w.bin");
  });

  it("are found through the links of a hub cache", async () => {
    const root = temporaryFolder();
    const blobs = join(root, "models--a--b", "blobs");
    const snapshot = join(root, "models--a--b", "snapshots", "0123", "unet");
    mkdirSync(snapshot, { recursive: true });
    writeSafetensors(join(blobs, "4f2a"), { "layer.weight": Tensor.from([1, 2, 3, 4], [2, 2]) });
    symlinkSync("../../../blobs/4f2a", join(snapshot, "diffusion_pytorch_model.safetensors"));
    const weights = await openWeights(openFolder(snapshot));
    const { result } = await evaluate((graph, input) =>
      gather(new Scope(graph, weights).at("layer").tensor("weight", [2, 2]), input(new Tensor("int64", [1], BigInt64Array.of(1n)))),
    );
    expect(result.toArray()).toEqual([3, 4]);
  });
});

describe("nodes", () => {
  it("that nothing uses are dropped, with the weights that only they need", async () => {
    const encoded = (build: (graph: Graph, half: Value) => void) => {
      const graph = new Graph();
      const weight = graph.weight({ ...W, dtype: "float16", length: 4 }, [2]);
      build(graph, weight);
      graph.output("y", add(graph.input("x", "float32", [2]), graph.constant([1, 2])));
      return onnxText(graph);
    };
    const lean = await encoded(() => {});
    expect(lean).not.toContain("w.bin");
    expect((await encoded((graph, weight) => void add(add(weight, weight), graph.constant([3, 4])))).length).toBe(lean.length);
    expect(await encoded((graph, weight) => graph.output("z", add(weight, weight)))).toContain("w.bin");
  });
});

describe("rows of a weight", () => {
  const bytes: StoredTensor = { ...W, shape: [8, 3], offset: 100, length: 4 * 3 * 8 };
  const encoded = (build: (graph: Graph) => Value) => {
    const graph = new Graph();
    graph.output("y", build(graph));
    return onnxText(graph);
  };

  it.each(["float32", "float16"] as const)("are byte ranges of its file, in %s", async (dtype) => {
    const size = dtype === "float32" ? 4 : 2;
    const weight = { ...bytes, dtype, length: size * 3 * 8 };
    const part = { ...weight, offset: 100 + size * 3 * 2, length: size * 3 * 5 };
    const ofWhole = await encoded((graph) => rows(graph.weight(weight, [8, 3]), 2, 7));
    expect(ofWhole).not.toContain("Slice");
    expect(ofWhole).toContain(`offset\x12${String.fromCharCode(String(part.offset).length)}${part.offset}`);
    expect(ofWhole).toContain(`length\x12${String.fromCharCode(String(part.length).length)}${part.length}`);
  });

  it("are sliced from one that is stored transposed", async () => {
    expect(await encoded((graph) => rows(graph.weight({ ...bytes, transposed: true }, [8, 3]), 2, 7))).toContain("Slice");
  });
});

describe("a scope", () => {
  const scopeOver = async (tensors: Record<string, Tensor<DType>>) => {
    const folder = temporaryFolder();
    writeSafetensors(join(folder, "model.safetensors"), tensors);
    return new Scope(new Graph(), await openWeights(openFolder(folder)));
  };

  it("names tensors by their place", async () => {
    const w = (await scopeOver({ "down_blocks.0.conv.weight": ramp([2, 3]) })).at("down_blocks", 0);
    expect(w.has("conv")).toBe(true);
    expect(w.at("conv").hasTensor("bias")).toBe(false);
    expect(w.at("conv").shapeOf("weight")).toEqual([2, 3]);
  });

  it("gives rows as part of a tensor's bytes", async () => {
    const folder = temporaryFolder();
    writeSafetensors(join(folder, "model.safetensors"), { weight: Tensor.from([1, 2, 3, 4, 5, 6], [3, 2]).to("float16") });
    const weights = await openWeights(openFolder(folder));
    const { result } = await evaluate((graph, input) =>
      add(new Scope(graph, weights).rows("weight", [3, 2], 1, 3), input(Tensor.zeros([1]))),
    );
    expect(result.toArray()).toEqual([3, 4, 5, 6]);
  });

  it("names a tensor of another shape, its shape and the expected one", async () => {
    const w = await scopeOver({ "a.weight": ramp([2, 3]) });
    expect(() => w.at("a").tensor("weight", [2, 4])).toThrow(CheckpointError);
    expect(() => w.at("a").tensor("weight", [2, 4])).toThrow(/tensor a\.weight is \[2, 3\]; config\.json asks for \[2, 4\]/);
  });

  it("names a missing tensor", async () => {
    const w = await scopeOver({ "a.weight": ramp([2]) });
    expect(() => w.at("b").tensor("weight", [2])).toThrow(/model\.safetensors: tensor b\.weight is missing/);
  });

  it("refuses weights that are not floating-point numbers", async () => {
    const w = await scopeOver({ weight: new Tensor("int64", [1], BigInt64Array.of(1n)) });
    expect(() => w.tensor("weight", [1])).toThrow(/tensor weight is int64; a weight must be float32/);
  });

  it("refuses an empty tensor", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "model.safetensors"), safetensorsBytes({ weight: { dtype: "F32", shape: [0], data_offsets: [0, 0] } }));
    const w = new Scope(new Graph(), await openWeights(openFolder(folder)));
    expect(() => w.tensor("weight", [0])).toThrow(/tensor weight is empty/);
  });
});
