import { Graph } from "../../src/graph/graph.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { NamedTensors, Session } from "../../src/runtime/session.js";
import { byteSize, type DType } from "../../src/tensor/dtype.js";
import { sizeOf, Tensor } from "../../src/tensor/tensor.js";
import { onnxOf } from "../helpers/graphs.js";
import type { Files } from "./memory-folder.js";

/** Numbers of the largest result that a network on small inputs may have: a quarter of a gigabyte. */
const LARGEST_RESULT = 2 ** 26;

/** TensorProto.DataType of onnx.proto. */
const DTYPES: ReadonlyMap<number, DType> = new Map([
  [1, "float32"],
  [2, "uint8"],
  [6, "int32"],
  [7, "int64"],
  [9, "bool"],
  [10, "float16"],
  [11, "float64"],
  [16, "bfloat16"],
  [17, "float8_e4m3fn"],
  [19, "float8_e5m2"],
]);

/**
 * An engine that computes nothing. It reads every graph as the runtime would, fails if a weight lies outside its file or has other bytes
 * than its shape asks for, or if any result would fill the memory, and gives zeros.
 */
export function inspectingEngine(files: Files): Engine {
  return {
    device: "cpu",
    capabilities: { device: "cpu" },
    load: async (graph): Promise<Session> => {
      const [bytes, ...prepared] = (await Promise.all([graph, ...(graph.preparations ?? [])].map(onnxOf))) as [Uint8Array, ...Uint8Array[]];
      for (const model of [bytes, ...prepared]) checkWeights(model, files);
      const outputs = messages(modelGraph(bytes), 12).map(toPort);
      return {
        run: async (): Promise<NamedTensors> => Object.fromEntries(outputs.map(({ name, shape }) => [name, Tensor.zeros(shape)])),
        release: async () => {},
      };
    },
    dispose: async () => {},
  };
}

/** Fails wherever a graph is given a node whose result no memory holds. Returns what takes the watch away. */
export function watchSizes(): () => void {
  const { node } = Graph.prototype;
  Graph.prototype.node = function (op, inputs, options) {
    const size = sizeOf(options.shape);
    if (size > LARGEST_RESULT) throw new Error(`${op} gives [${options.shape}]`);
    return node.call(this, op, inputs, options);
  };
  return () => {
    Graph.prototype.node = node;
  };
}

function checkWeights(model: Uint8Array, files: Files): void {
  for (const initializer of messages(modelGraph(model), 5)) {
    const entries = messages(initializer, 13).map((entry): [string, string] => [text(entry, 1), text(entry, 2)]);
    if (entries.length === 0) continue;
    const { location = "", offset, length } = Object.fromEntries(entries);
    const size = files.get(location)?.length;
    const dtype = DTYPES.get(number(initializer, 2));
    const name = text(initializer, 8);
    if (size === undefined || dtype === undefined) throw new Error(`${name} lies in ${location}`);
    const [start, bytes] = [Number(offset), Number(length)];
    const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(bytes) && start >= 0 && bytes > 0 && start + bytes <= size;
    if (!isRange) throw new Error(`${name} is said to be ${length} bytes from ${offset} on of ${location}, which has ${size}`);
    const shape = numbers(initializer, 1);
    if (sizeOf(shape) * byteSize(dtype) !== bytes) throw new Error(`${name} is ${dtype} [${shape}] in ${bytes} bytes`);
  }
}

function toPort(port: Uint8Array): { readonly name: string; readonly shape: readonly number[] } {
  const tensor = message(message(port, 2), 1);
  return { name: text(port, 1), shape: messages(message(tensor, 2), 1).map((dimension) => number(dimension, 1)) };
}

function modelGraph(model: Uint8Array): Uint8Array {
  return message(model, 7);
}

// Protocol buffers, as far as ONNX files need them.

interface Field {
  readonly id: number;
  readonly value: number | Uint8Array;
}

function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("the model is cut short");
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [id, type] = [Math.floor(key / 8), key % 8];
    if (type === 0) yield { id, value: varint() };
    else if (type === 5) at += 4;
    else {
      const length = varint();
      yield { id, value: bytes.subarray(at, at + length) };
      at += length;
    }
  }
}

function messages(bytes: Uint8Array, id: number): Uint8Array[] {
  return [...fields(bytes)].flatMap((field) => (field.id === id && typeof field.value === "object" ? [field.value] : []));
}

function message(bytes: Uint8Array, id: number): Uint8Array {
  return messages(bytes, id)[0] ?? new Uint8Array();
}

function numbers(bytes: Uint8Array, id: number): number[] {
  return [...fields(bytes)].flatMap((field) => (field.id === id && typeof field.value === "number" ? [field.value] : []));
}

function number(bytes: Uint8Array, id: number): number {
  return numbers(bytes, id)[0] ?? 0;
}

function text(bytes: Uint8Array, id: number): string {
  return new TextDecoder().decode(message(bytes, id));
}
