import { closeSync, openSync, readSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { Graph } from "../../../src/graph/graph.js";
import { add } from "../../../src/graph/ops/elementwise.js";
import { encodeMounted } from "../../../src/runtime/wasm/mounted-model.js";
import { wasmRuntime } from "../../../src/runtime/wasm/wasm-runtime.js";
import type { OpenWeightFile } from "../../../src/runtime/wasm/weight-mount.js";
import { convert } from "../../../src/tensor/convert.js";
import type { DType } from "../../../src/tensor/dtype.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { temporaryFolder } from "../../helpers/temporary.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "fatal";

const scratch = { write() {}, remove: () => true, removeStale() {} };
const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "extended", extra: {} } as const;
/** Beyond what fits into 32 bits. */
const FAR = 5 * 2 ** 30 + 2;

/** A sparse file with 1, 2, 3, 4 far from its beginning, in each of these types, and how it is opened. */
function sparseFile(dtypes: readonly DType[]) {
  const path = join(temporaryFolder(), "weights");
  const file = openSync(path, "w+");
  const places = dtypes.map((dtype, i) => {
    const data = convert("float32", Float32Array.of(1, 2, 3, 4), dtype);
    writeSync(file, new Uint8Array(data.buffer as ArrayBuffer), 0, undefined, FAR + 100 * i);
    return { name: dtype, dtype, shape: [4], file: { id: path }, offset: FAR + 100 * i, length: data.byteLength };
  });
  closeSync(file);
  return { path, places };
}

const opened: string[] = [];
const open: OpenWeightFile = async ({ id }) => {
  const file = openSync(id, "r");
  opened.push(id);
  return {
    read(offset, into) {
      if (readSync(file, into, 0, into.length, offset) < into.length) throw new Error(`${id} became shorter while it was read`);
    },
    close: () => {
      closeSync(file);
      opened.splice(opened.indexOf(id), 1);
    },
  };
};

describe("ONNX Runtime's WebAssembly build", () => {
  it.each([false, true])("sums weights of all float types from beyond 4 GB (converted when read: %s)", async (convertsWeights) => {
    const { places } = sparseFile(["float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2"]);
    const graph = new Graph({ capabilities: { device: "wasm" } });
    const weights = places.map((place) => graph.weight(place, [4]));
    graph.output("sum", weights.reduce(add, graph.input("x", "float32", [4])));
    const { bytes, mounts } = await encodeMounted(graph.finish().model, { convertsWeights });
    const session = await wasmRuntime(ort, { open, scratch }).createSession(bytes, OPTIONS, mounts);
    expect(opened).toEqual([]);
    const { sum } = await session.run({ x: Tensor.from([0.5, 0, 0, 0]) });
    expect(sum?.dtype).toBe("float32");
    expect([...((sum?.data ?? []) as Float32Array)]).toEqual([6.5, 12, 18, 24]);
    await session.release();
  });

  it("says why a file cannot be read, and closes it", async () => {
    const { path, places } = sparseFile(["float32"]);
    truncateSync(path, FAR);
    const graph = new Graph({ capabilities: { device: "wasm" } });
    graph.output("y", graph.weight(places[0] as (typeof places)[number], [4]));
    const { bytes, mounts } = await encodeMounted(graph.finish().model);
    const refused = wasmRuntime(ort, { open, scratch }).createSession(bytes, OPTIONS, mounts);
    await expect(refused).rejects.toThrow(`${path} became shorter while it was read`);
    expect(opened).toEqual([]);
  });
});
