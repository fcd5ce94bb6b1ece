import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
import { toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { Graph } from "../../src/graph/graph.js";
import { createEngine, openFolder } from "../../src/platform/node/platform.js";
import type { Engine } from "../../src/runtime/engine.js";
import { rowsOf, type StoredTensor } from "../../src/tensor/stored-tensor.js";
import { readTensors } from "../helpers/safetensors.js";

const FILE = "gguf_tensors.gguf";
const expected = readTensors("test/fixtures/quantised/gguf_tensors.safetensors");

describe.each(["cpu", "wasm"] as const)("quantised weights in a graph on %s", (device) => {
  let engine: Engine;
  let stored: ReadonlyMap<string, StoredTensor>;
  beforeAll(async () => {
    engine = await createEngine({ device });
    const { tensors } = await readGgufHeader(openFolder("test/checkpoints/quantised"), FILE);
    stored = new Map([...tensors].map(([name, tensor]) => [name, toStoredTensor(tensor, FILE)]));
  });
  afterAll(() => engine.dispose());

  it.each(Object.keys(expected))("%s has exactly ggml's numbers, whole and in rows", async (name) => {
    const tensor = stored.get(name) as StoredTensor;
    const graph = new Graph({ capabilities: engine.capabilities });
    graph.output("whole", graph.weight(tensor, tensor.shape));
    const part = rowsOf(tensor, 1, 2);
    graph.output("row", graph.weight(part, part.shape));
    const session = await engine.load(graph.finish());
    try {
      const { whole, row } = await session.run({});
      const numbers = expected[name]?.data as Float32Array;
      expect(whole?.data).toEqual(numbers);
      const size = numbers.length / (tensor.shape[0] ?? 1);
      expect(row?.data).toEqual(numbers.slice(size, 2 * size));
    } finally {
      await session.release();
    }
  });
});
