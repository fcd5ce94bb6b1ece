import { closeSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Graph, type Value } from "../../../src/graph/graph.js";
import { add, scale } from "../../../src/graph/ops/elementwise.js";
import { expand } from "../../../src/graph/ops/shapes.js";
import { diskFile } from "../../../src/platform/node/disk-file.js";
import { createEngine } from "../../../src/platform/node/engine.js";
import type { Engine } from "../../../src/runtime/engine.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { temporaryFolder } from "../../helpers/temporary.js";

/** Bytes of a weight of {@link heavy}. */
const WEIGHT = 2 ** 28;

async function openEngine(): Promise<Engine> {
  const engine = await createEngine({ device: "wasm" });
  onTestFinished(() => engine.dispose());
  return engine;
}

function largest(x: Value): Value {
  return x.graph.node("ReduceMax", [x], { shape: x.shape.map(() => 1) });
}

/** Loads and runs a network of one number. */
async function run(engine: Engine, write: (x: Value) => Value): Promise<number> {
  const graph = new Graph({ capabilities: engine.capabilities });
  graph.output("y", write(graph.input("x", "float32", [1])));
  const session = await engine.load(graph.finish());
  const { y } = await session.run({ x: Tensor.from([3]) }).finally(() => session.release());
  return Number(y?.data[0]);
}

/** A network with so many weights, of zeros. */
function heavy(count: number): (x: Value) => Value {
  const path = join(temporaryFolder(), "weights");
  const file = openSync(path, "w");
  ftruncateSync(file, count * WEIGHT);
  closeSync(file);
  const place = { dtype: "float32", shape: [2 ** 14, 2 ** 12], file: diskFile(path), length: WEIGHT } as const;
  const weights = Array.from({ length: count }, (_, i) => ({ ...place, name: `w${i}`, offset: i * WEIGHT }));
  return (x) => weights.reduce((sum, weight) => add(sum, largest(x.graph.weight(weight, weight.shape))), x);
}

const FULL = { name: "DeviceError", message: expect.stringContaining("memory is full"), hint: expect.stringContaining("lowMemory: true") };

describe("WebAssembly's memory", () => {
  it("that weights do not fit into is an error, and the next network runs", async () => {
    const engine = await openEngine();
    await expect(run(engine, heavy(17))).rejects.toMatchObject(FULL);
    expect(await run(engine, (x) => scale(x, 2))).toBe(6);
  });

  it("that one tensor does not fit into is an error, and the next network runs", async () => {
    const engine = await openEngine();
    await expect(run(engine, (x) => largest(scale(expand(x, [2 ** 15, 2 ** 15]), 2)))).rejects.toMatchObject(FULL);
    expect(await run(engine, (x) => scale(x, 2))).toBe(6);
  });

  it("is given back when a large network is released", async () => {
    const engine = await openEngine();
    await run(engine, (x) => scale(x, 2));
    const before = process.memoryUsage.rss();
    expect(await run(engine, heavy(6))).toBe(3);
    await expect.poll(() => process.memoryUsage.rss() - before, { timeout: 10_000 }).toBeLessThan(WEIGHT);
  });
});
