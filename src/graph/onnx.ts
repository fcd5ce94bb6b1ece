import { pageTurn } from "../page-turn.js";
import type { DType } from "../tensor/dtype.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { Shape } from "../tensor/tensor.js";

/** An ONNX node's attribute. A plain number is an integer, `{ float }` a float. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

/** One operation of a graph, on named values. */
export interface OnnxNode {
  readonly op: string;
  /** "" is ONNX itself, "com.microsoft" ONNX Runtime's own operators. */
  readonly domain: string;
  /** An empty name is an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A constant of a graph: its bytes, or the range of a file that holds them (ONNX external data). */
export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: Uint8Array | { readonly file: FileRef; readonly offset: number; readonly length: number };
}

/** A graph's input or output. */
export interface OnnxPort {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** The contents of a model file. */
export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

const IR_VERSION = 9;
const OPSET = 20;
/** The first version in which DequantizeLinear has blocks. Only graphs with such nodes have it: some providers know fewer kernels of it. */
const OPSET_WITH_BLOCKS = 21;

/** TensorProto.DataType of onnx.proto. */
export const DATA_TYPES: { readonly [D in DType]: number } = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
  float8_e4m3fn: 17,
  float8_e5m2: 19,
};

/** How ONNX Runtime finds a file: a path relative to the model's folder, or the key of bytes that are handed over beside the model. */
export type PlaceFile = (file: FileRef) => string;

/** Nodes that are encoded at once: half a millisecond. */
const PIECE = 64;

/** The bytes of an `.onnx` file. Field numbers are onnx.proto's. `place` names the files of the weights. */
export async function encodeModel({ nodes, initializers, inputs, outputs }: OnnxModel, place: PlaceFile): Promise<Uint8Array<ArrayBuffer>> {
  const graph = new ProtoWriter();
  for (const [i, node] of nodes.entries()) {
    if (i % PIECE === 0) await pageTurn();
    graph.message(1, encodeNode(node));
  }
  graph.string(2, "darkroom");
  for (const [i, initializer] of initializers.entries()) {
    if (i % PIECE === 0) await pageTurn();
    graph.message(5, encodeInitializer(initializer, place));
  }
  for (const port of inputs) graph.message(11, encodePort(port));
  for (const port of outputs) graph.message(12, encodePort(port));
  const hasBlocks = nodes.some(({ op, attributes }) => op === "DequantizeLinear" && "block_size" in attributes);
  const opset = (domain: string, version: number) => new ProtoWriter().string(1, domain).integer(2, version);
  return new ProtoWriter()
    .integer(1, IR_VERSION)
    .string(2, "darkroom")
    .message(7, graph)
    .message(8, opset("", hasBlocks ? OPSET_WITH_BLOCKS : OPSET))
    .message(8, opset("com.microsoft", 1))
    .finish();
}

function encodeNode({ op, domain, inputs, outputs, attributes }: OnnxNode): ProtoWriter {
  const node = new ProtoWriter();
  for (const input of inputs) node.string(1, input);
  for (const output of outputs) node.string(2, output);
  node.string(3, outputs[0] ?? "").string(4, op);
  for (const [name, value] of Object.entries(attributes)) node.message(5, encodeAttribute(name, value));
  return domain ? node.string(7, domain) : node;
}

function encodeAttribute(name: string, value: Attribute): ProtoWriter {
  const attribute = new ProtoWriter().string(1, name);
  if (typeof value === "number") return attribute.integer(3, value).integer(20, 2);
  if (typeof value === "string") return attribute.string(4, value).integer(20, 3);
  if ("float" in value) return attribute.float(2, value.float).integer(20, 1);
  for (const item of value) attribute.integer(8, item);
  return attribute.integer(20, 7);
}

function encodeInitializer({ name, dtype, shape, data }: OnnxInitializer, place: PlaceFile): ProtoWriter {
  const tensor = new ProtoWriter();
  for (const extent of shape) tensor.integer(1, extent);
  tensor.integer(2, DATA_TYPES[dtype]).string(8, name);
  if (data instanceof Uint8Array) return tensor.bytes(9, data);
  const entry = (key: string, value: string) => new ProtoWriter().string(1, key).string(2, value);
  return tensor
    .message(13, entry("location", place(data.file)))
    .message(13, entry("offset", String(data.offset)))
    .message(13, entry("length", String(data.length)))
    .integer(14, 1);
}

function encodePort({ name, dtype, shape }: OnnxPort): ProtoWriter {
  const dimensions = new ProtoWriter();
  for (const extent of shape) dimensions.message(1, new ProtoWriter().integer(1, extent));
  const tensorType = new ProtoWriter().integer(1, DATA_TYPES[dtype]).message(2, dimensions);
  return new ProtoWriter().string(1, name).message(2, new ProtoWriter().message(1, tensorType));
}

const utf8 = new TextEncoder();

/** The part of the protocol-buffer wire format that ONNX needs. */
class ProtoWriter {
  private buffer = new Uint8Array(64);
  private length = 0;

  integer(field: number, value: number): this {
    return this.varint(field << 3).varint(value);
  }

  float(field: number, value: number): this {
    this.varint((field << 3) | 5).reserve(4);
    new DataView(this.buffer.buffer).setFloat32(this.length, value, true);
    this.length += 4;
    return this;
  }

  string(field: number, value: string): this {
    // Names are ASCII. Thousands of calls of the encoder took longer than all other work here.
    const { length } = value;
    const before = this.length;
    this.varint((field << 3) | 2)
      .varint(length)
      .reserve(length);
    const start = this.length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        this.length = before;
        return this.bytes(field, utf8.encode(value));
      }
      this.buffer[start + i] = code;
    }
    this.length += length;
    return this;
  }

  message(field: number, { buffer, length }: ProtoWriter): this {
    return this.bytes(field, buffer.subarray(0, length));
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2)
      .varint(value.length)
      .reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.length);
  }

  private varint(value: number): this {
    this.reserve(10);
    if (value < 0) {
      // A negative int64 takes ten bytes: two's complement over 64 bits.
      for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
        if (rest < 0x80n) return this.byte(Number(rest));
        this.byte(Number(rest & 0x7fn) | 0x80);
      }
    }
    let rest = value;
    // Division, not a shift: a shift would cut integers to 32 bits.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    return this.byte(rest);
  }

  private byte(value: number): this {
    this.buffer[this.length++] = value;
    return this;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}
