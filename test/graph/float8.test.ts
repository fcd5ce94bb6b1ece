import { join } from "node:path";
import { expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import type { FinishedGraph } from "../../src/graph/finished-graph.js";
import { Graph, type GraphOptions } from "../../src/graph/graph.js";
import { scale } from "../../src/graph/ops/elementwise.js";
import { Scope } from "../../src/graph/scope.js";
import { createEngine, openFolder } from "../../src/platform/node/platform.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const patterns = Uint8Array.from({ length: 256 }, (_, i) => i);
const FORMATS = ["float8_e4m3fn", "float8_e5m2"] as const;

/** A folder with a weight of every bit pattern for each format, named after it. */
function everyPattern(): string {
  const folder = temporaryFolder();
  writeSafetensors(
    join(folder, "model.safetensors"),
    Object.fromEntries(FORMATS.map((dtype) => [dtype, new Tensor(dtype, [256], patterns)])),
  );
  return folder;
}

/** The named weights, beside a number of this many results more. */
async function finished(folder: string, names: readonly string[], options: GraphOptions, beside = 1): Promise<FinishedGraph> {
  const graph = new Graph(options);
  const w = new Scope(graph, await openWeights(openFolder(folder)));
  graph.output("beside", scale(graph.input("x", "float32", [beside]), 2));
  for (const dtype of FORMATS) {
    const weight = w.tensor(dtype, [256]);
    if (names.includes(dtype)) graph.output(dtype, weight);
  }
  return graph.finish();
}

const prepared = ({ preparations = [] }: FinishedGraph) =>
  preparations.flatMap(({ outputs }) => outputs.map(({ dtype, shape }) => [dtype, shape]));

it("widens every fp8 number once, to half precision, exactly", async () => {
  const engine = await createEngine({ device: "cpu" });
  try {
    const graph = await finished(everyPattern(), FORMATS, { widensOnce: true });
    expect(prepared(graph)).toEqual([
      ["float16", [256]],
      ["float16", [256]],
    ]);
    const session = await engine.load(graph);
    const found = await session.run({ x: Tensor.from([1]) });
    for (const dtype of FORMATS) expect(found[dtype]?.data).toEqual(new Tensor(dtype, [256], patterns).to("float32").data);
  } finally {
    await engine.dispose();
  }
});

it("widens only weights that the graph uses", async () => {
  expect(prepared(await finished(everyPattern(), ["float8_e5m2"], { widensOnce: true }))).toEqual([["float16", [256]]]);
});

it("has the same preparations for graphs of other shapes, so that they are shared", async () => {
  const folder = everyPattern();
  const [one, two] = [await finished(folder, FORMATS, { widensOnce: true }), await finished(folder, FORMATS, { widensOnce: true }, 3)];
  expect(one.model).not.toEqual(two.model);
  expect(one.preparations).toEqual(two.preparations);
});

it("has no preparation if every run widens, or on a GPU", async () => {
  expect(prepared(await finished(everyPattern(), FORMATS, {}))).toEqual([]);
  expect(prepared(await finished(everyPattern(), FORMATS, { widensOnce: true, capabilities: { device: "webgpu" } }))).toEqual([]);
});
