import { afterAll, describe, expect, it } from "vitest";
import { Graph, type Value } from "../../../src/graph/graph.js";
import { attention } from "../../../src/graph/ops/attention.js";
import { createEngine } from "../../../src/platform/node/engine.js";
import type { Engine } from "../../../src/runtime/engine.js";
import { Generator, randn } from "../../../src/tensor/random.js";
import type { Tensor } from "../../../src/tensor/tensor.js";

const engines = [await createEngine({ device: "cpu" }), await createEngine({ device: "wasm" })] as const;
afterAll(() => Promise.all(engines.map((engine) => engine.dispose())));

/** Self-attention over these tokens on an engine. */
async function attended(engine: Engine, qkv: readonly Tensor[], heads: number): Promise<Tensor> {
  const graph = new Graph({ capabilities: engine.capabilities });
  const names = ["query", "key", "value"];
  const [query, key, value] = names.map((name, i) => graph.input(name, "float32", qkv[i]?.shape ?? [])) as [Value, Value, Value];
  graph.output("y", attention(query, key, value, heads));
  const session = await engine.load(graph.finish());
  const { y } = await session.run(Object.fromEntries(names.map((name, i) => [name, qkv[i] as Tensor])));
  await session.release();
  return y as Tensor;
}

/*
 * In WebAssembly, the runtime's operation overflows from 2^30 = width x tokens x context on: SD 1.5's autoencoder above about 304 x 304,
 * its UNet at 768 x 768, and XL's UNet at 1024 x 1024.
 */
describe("attention in WebAssembly equals the native library's", () => {
  it.each([
    ["an autoencoder's at 304 x 304", { batch: 1, tokens: 1449, width: 512, heads: 1 }],
    ["one head of XL's UNet at 1024 x 1024", { batch: 1, tokens: 4096, width: 64, heads: 1 }],
    ["two pictures in blocks of queries", { batch: 2, tokens: 2100, width: 16, heads: 8 }],
  ])("for %s", async (_, { batch, tokens, width, heads }) => {
    const generator = new Generator(7);
    const qkv = [0, 1, 2].map(() => randn([batch, tokens, heads * width], generator));
    const [native, wasm] = await Promise.all(engines.map((engine) => attended(engine, qkv, heads)));
    const error = (native as Tensor).data.reduce((most, value, i) => Math.max(most, Math.abs(value - (wasm?.data[i] as number))), 0);
    expect(error).toBeLessThan(1e-5);
  });
});
