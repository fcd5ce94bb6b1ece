import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, openFolder } from "#platform";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
import { toStoredTensor } from "../../src/checkpoint/safetensors.js";
import { Graph } from "../../src/graph/graph.js";
import { Scope } from "../../src/graph/scope.js";
import { linear, linearRows } from "../../src/layers/basic.js";
import { readLora } from "../../src/lora/lora-file.js";
import { matchLora } from "../../src/lora/match-lora.js";
import { NetworkAdapters } from "../../src/lora/network-adapters.js";
import type { Engine } from "../../src/runtime/engine.js";
import { BLOCK_FORMATS } from "../../src/tensor/block-format.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { StoredTensor } from "../../src/tensor/stored-tensor.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FILE = "gguf_tensors.gguf";
const WEIGHT = 0.7;
const numbers = readTensors("test/fixtures/quantised/gguf_tensors.safetensors");
const generator = new Generator(3);

let engine: Engine;
let stored: ReadonlyMap<string, StoredTensor>;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu" });
  const { tensors } = await readGgufHeader(openFolder(checkpoint("quantised")), FILE);
  stored = new Map([...tensors].map(([name, tensor]) => [name, toStoredTensor(tensor, FILE)]));
});
afterAll(() => engine.dispose());

/** [rows, inner] times [inner, columns]. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, [rows, inner, columns]: readonly [number, number, number]): Float32Array {
  const cell = (i: number, j: number) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += (a[i * inner + k] as number) * (b[k * columns + j] as number);
    return sum;
  };
  return Float32Array.from({ length: rows * columns }, (_, at) => cell(Math.floor(at / columns), at % columns));
}

function transposed(values: ArrayLike<number>, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)] as number);
}

describe.each([...BLOCK_FORMATS])("a layer whose weight is %s", (format) => {
  it.each([
    ["a LoRA", "beside"],
    ["a fused LoRA", "fused"],
    ["a LoKr", "beside"],
    ["a fused LoKr", "fused"],
  ])("computes with %s", async (method, how) => {
    const weight = stored.get(format) as StoredTensor;
    const [out = 0, ins = 0] = weight.shape;
    const [down, up] = [randn([2, ins], generator), randn([out, 2], generator)];
    const [blocks, entries] = [randn([1, 2], generator), randn([out, ins / 2], generator)];
    const isLora = method.endsWith("LoRA");
    const folder = temporaryFolder();
    writeSafetensors(
      join(folder, "fox.safetensors"),
      isLora
        ? { "transformer.layer.lora_A.weight": down, "transformer.layer.lora_B.weight": up }
        : { "transformer.layer.lokr_w1": blocks, "transformer.layer.lokr_w2": entries },
    );
    const weights = { name: FILE, has: (name: string) => name === "layer.weight", get: () => weight, names: () => ["layer.weight"] };
    const { changes } = matchLora(await readLora(openFolder(folder), "fox.safetensors"), new Map([["transformer", { weights }]]));
    const adapters = new NetworkAdapters();
    adapters.add("fox", changes.get("transformer") ?? new Map());
    adapters.activate(new Map([["fox", { all: WEIGHT }]]));
    if (how === "fused") adapters.fuse(1);

    const x = randn([3, ins], generator);
    const graph = new Graph({ capabilities: engine.capabilities });
    const applied = adapters.apply();
    const w = new Scope(graph, weights, "layer", applied.declare(graph));
    const input = graph.input("x", "float32", x.shape);
    graph.output("whole", linear(input, w, out));
    graph.output("rows", linearRows(input, w, out, [1, out]));
    const session = await engine.load(graph.finish());
    const outputs = await session.run({ x, ...applied.feeds });
    await session.release();

    const lokr = (i: number, j: number) =>
      (blocks.data[Math.floor(j / (ins / 2))] ?? 0) * (entries.data[i * (ins / 2) + (j % (ins / 2))] ?? 0);
    const difference = isLora
      ? product(up.data, down.data, [out, 2, ins])
      : Float32Array.from({ length: out * ins }, (_, at) => lokr(Math.floor(at / ins), at % ins));
    const own = numbers[format]?.data as Float32Array;
    const changed = own.map((value, i) => value + WEIGHT * (difference[i] as number));
    const expected = product(x.data, transposed(changed, out, ins), [3, ins, out]);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const far = (found: ArrayLike<number>, wanted: ArrayLike<number>) =>
      Array.from(found, (value, i) => Math.abs(value - (wanted[i] as number))).reduce((a, b) => Math.max(a, b), 0);
    expect(far(outputs.whole?.data as Float32Array, expected)).toBeLessThan(largest * 1e-5);
    const withoutFirst = Tensor.from(expected, [3, out]);
    const rest = [0, 1, 2].flatMap((row) => [...withoutFirst.data.slice(row * out + 1, (row + 1) * out)]);
    expect(far(outputs.rows?.data as Float32Array, rest)).toBeLessThan(largest * 1e-5);
  });
});
