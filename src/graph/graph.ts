import { ArgumentError } from "../errors.js";
import { blockSize, isBlockFormat } from "../tensor/block-format.js";
import { byteSize, type DType } from "../tensor/dtype.js";
import { fromFloat8E4M3, fromFloat8E5M2 } from "../tensor/float8.js";
import { toHalf } from "../tensor/half.js";
import { type FileRef, type Packing, rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import type { FinishedGraph, PreparedPort } from "./finished-graph.js";
import { widenFloat8Once } from "./float8.js";
import { type ByteRange, type ByteSizes, type Float, type GraphCapabilities, type Lowering, loweringFor } from "./lowering.js";
import { type Attribute, DATA_TYPES, type OnnxInitializer, type OnnxModel, type OnnxNode, type OnnxPort } from "./onnx.js";
import { gather, reshape } from "./ops/shapes.js";
import { arithmetic, type CodedBlocks, codedBlocks, widened } from "./ops/unpacking.js";
import { blocksIn, inShape, type PackedTensor } from "./ops/unpacking-codes.js";
import { memoryOf } from "./working-memory.js";

/** A tensor that will exist when the graph runs; its dtype and shape are known while it is built. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /**
   * If the value is a picture [batch, channels, height, width] that was made in bands of rows: the bands, from top to bottom. Operations
   * use them if they can.
   */
  readonly bands?: readonly Value[];
  /** The same numbers with channels last, [batch, ..., channels], if they were made so. Operations use them if they can. */
  readonly channelsLast?: Value;
  /** The value after SiLU, if one operation of the runtime makes both. */
  readonly withSilu?: () => Value;
}

/** A node's result, and how it is made. */
export interface NodeOptions {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly domain?: "" | "com.microsoft";
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** How many attention heads are computed at once: half of them ("auto"), one ("max"), or this number. */
export type AttentionSlice = "auto" | "max" | number;

/** How large products are computed in 8-bit integers. */
export interface ByteProducts {
  /** The largest weight, of either sign. */
  readonly range: ByteRange;
  /** The file that will hold the weights as bytes. It is written while the graph is loaded. */
  readonly file: FileRef;
}

/** How a network is written. */
export interface GraphOptions {
  /** What the device that will run it is capable of; by default a CPU without measured facts. */
  readonly capabilities?: GraphCapabilities | undefined;
  /** How closely it computes: "exact" by default. */
  readonly precision?: "exact" | "fast" | undefined;
  /** Attention in steps of fewer heads, which needs less memory and more time; all heads at once by default. */
  readonly attentionSlice?: AttentionSlice | undefined;
  /** A file for weights as bytes. Products are computed in 8-bit integers only if there is one. */
  readonly byteWeights?: FileRef | undefined;
  /**
   * Whether fp8 weights are widened to half precision once, at load, if the target prepares weights. By default every run widens them,
   * which takes half the memory and more time.
   */
  readonly widensOnce?: boolean;
}

/** What the bytes of fp8 weights stand for. */
const FLOAT8: { readonly [D in DType]?: (bits: number) => number } = {
  float8_e4m3fn: fromFloat8E4M3,
  float8_e5m2: fromFloat8E5M2,
};

/** Tensors that are written to a file start at multiples of this many bytes. */
const ALIGNMENT = 64;

/** A preparation that makes this many numbers is full; the next weight goes into another one. */
const LARGEST_PREPARATION = 2 ** 24;

/**
 * A network that is being written as an ONNX graph. Three things make it fast to load and to run:
 *
 * - Weights are references: byte ranges of the checkpoint's files, which ONNX Runtime maps. They are not copied, and a network of gigabytes
 *   has a graph of some hundred kilobytes. Nodes of the graph cast half-precision weights.
 * - Weights that must differ from their file (adapters fused into them, transposes, bytes for 8-bit products) are prepared: a small graph
 *   of its own makes them once, when the network is loaded. Its results are fed to every run, or written to a file that is mapped like the
 *   checkpoint's.
 * - A fast algorithm is written as a graph: Winograd's convolution is one small convolution and matrix products, for which the runtime has
 *   fast kernels.
 *
 * The table in `lowering.ts` says which targets use them.
 */
export class Graph {
  /** How operations are written for the target. Only operations read it. */
  readonly lowering: Lowering;
  private readonly nodes: OnnxNode[] = [];
  /**
   * Nodes that cast weights to the precision of the graph, and weights that adapters change in every run. On the CPU every run casts
   * half-precision weights: this takes 2 % of a step of Stable Diffusion 1.5; casting them at load takes 17 s and twice the memory. On GPUs
   * the runtime casts them once, at load. These nodes come first in the graph: the runtime then
   * computes each one right before its use, and holds few results at once.
   */
  private readonly conversions: OnnxNode[] = [];
  private section = this.nodes;
  private readonly initializers: OnnxInitializer[] = [];
  private readonly inputs: OnnxPort[] = [];
  private readonly outputs: PreparedPort[] = [];
  /** See {@link sharing}. */
  private readonly shared = new Map<string, readonly Value[]>();
  /** Functions that add a weight of this graph to another graph, by the names of the weights' values here. */
  private readonly weights = new Map<string, (graph: Graph, dtype?: Float) => Value>();
  /** The stored tensors of weights that are used unchanged or only cast, by the names of their values. Each has the shape of its value. */
  private readonly stored = new Map<string, StoredTensor>();
  /** The ids of the weights' files, in the order of their first use. */
  private readonly files = new Set<string>();
  /** See {@link blocksOf}. */
  private readonly packed = new Map<string, CodedBlocks>();
  /** See {@link transposeOf}. */
  private readonly transposes = new Map<string, Value>();
  private readonly preparations: Graph[] = [];
  /** Bytes that preparations will have written to a file so far. */
  private written = 0;
  private largestValue = 0;
  private largestWidened = 0;
  /** Bytes of each value that takes memory in a run. */
  private readonly sizes = new Map<string, number>();
  private count = 0;

  constructor(
    private readonly options: GraphOptions = {},
    /** Starts the names of this graph's values, so that they differ from another's. */
    private readonly prefix = "",
    /** The file that its outputs are written to, if it prepares another graph's weights. */
    private readonly file?: FileRef,
  ) {
    this.lowering = loweringFor(options.capabilities ?? { device: "cpu" }, options);
  }

  /** Whether it prepares another graph's weights. It runs once, so that its own weights need no preparation. */
  private get isPreparation(): boolean {
    return this.prefix !== "";
  }

  /** How large products are computed in 8-bit integers; undefined: in floats. */
  get byteProducts(): (ByteProducts & ByteSizes) | undefined {
    const [products, file] = [this.lowering.bytes, this.options.byteWeights];
    return products && file && { ...products, file };
  }

  /** The precision the network is computed in. Its inputs and outputs are float32. */
  get float(): Float {
    return this.lowering.float;
  }

  /** The number of attention heads that are computed at once, of `heads`. */
  headsAtOnce(heads: number): number {
    const { attentionSlice } = this.options;
    if (attentionSlice === undefined) return heads;
    const wanted = attentionSlice === "auto" ? Math.ceil(heads / 2) : attentionSlice === "max" ? 1 : attentionSlice;
    return Math.min(wanted, heads);
  }

  /** Declares an input that every run must feed. */
  input(name: string, dtype: DType, shape: Shape): Value {
    this.inputs.push({ name, dtype, shape });
    return this.sized({ graph: this, name, dtype, shape });
  }

  /** Declares `value` a result of the graph, under `name`. A half-precision value becomes float32. */
  output(name: string, value: Value): void {
    const isHalf = value.dtype === "float16";
    const naming = isHalf ? castTo("float32") : { op: "Identity", attributes: {} };
    this.nodes.push({ ...naming, domain: "", inputs: [value.name], outputs: [name] });
    this.outputs.push({ name, dtype: isHalf ? "float32" : value.dtype, shape: value.shape });
  }

  /**
   * Adds an operation with one result. Its dtype is that of the first input by default. An input `undefined` is an optional one that is
   * left out.
   */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    { shape, dtype = inputs[0]?.dtype ?? "float32", ...options }: NodeOptions,
  ): Value {
    return this.nodeOf(op, inputs, [{ shape, dtype }], options)[0] as Value;
  }

  /** Adds an operation with several results. */
  nodeOf(
    op: string,
    inputs: readonly (Value | undefined)[],
    results: readonly { readonly shape: Shape; readonly dtype: DType }[],
    { domain = "", attributes = {} }: Omit<NodeOptions, "shape" | "dtype"> = {},
  ): readonly Value[] {
    const values = results.map(({ shape, dtype }) => ({ graph: this, name: `${this.prefix}v${this.count++}`, dtype, shape }));
    // Optional inputs at the end are dropped, not left empty: the WebGPU provider reads an empty one as a value.
    const given = inputs.slice(0, inputs.findLastIndex((input) => input !== undefined) + 1);
    for (const value of values) this.largestValue = Math.max(this.largestValue, sizeOf(this.sized(value).shape));
    this.section.push({ op, domain, inputs: given.map((input) => input?.name ?? ""), outputs: values.map(({ name }) => name), attributes });
    return values;
  }

  /** `value` as numbers of another dtype. The same conversion is made once: a text's features are read by every cross-attention. */
  cast(value: Value, dtype: DType): Value {
    if (value.dtype === dtype) return value;
    const key = `${value.name} as ${dtype}${this.section === this.conversions ? " early" : ""}`;
    return this.once(key, () => this.node("Cast", [value], { ...castTo(dtype), shape: value.shape, dtype }));
  }

  /** A constant, float32 by default. Equal constants are written once. */
  constant(values: ArrayLike<number>, shape: Shape = [values.length], dtype: DType = "float32"): Value {
    if (dtype === "float16") return this.literal(dtype, Uint16Array.from(values, toHalf), shape);
    if (dtype === "uint8") return this.literal(dtype, Uint8Array.from(values), shape);
    return this.literal("float32", Float32Array.from(values), shape);
  }

  /** An int64 constant, the dtype of shapes and indices in ONNX. */
  integers(values: readonly number[]): Value {
    return this.literal("int64", BigInt64Array.from(values, BigInt), [values.length]);
  }

  /**
   * A weight of the checkpoint, in `shape` and cast to `dtype`, by default the graph's precision. If the file holds the transpose, it is
   * transposed.
   */
  weight(tensor: StoredTensor, shape: Shape, dtype: Float = this.float): Value {
    if (tensor.swapsHalves) return this.withSwappedHalves(this.weight({ ...tensor, swapsHalves: false }, shape, dtype));
    if (tensor.transposed) return this.turned(this.weight({ ...tensor, transposed: false }, shape.toReversed(), dtype));
    if (tensor.packing) return this.unpacked(tensor, tensor.packing, shape, dtype);
    const weight = tensor.scale ? this.scaled(tensor, tensor.scale, shape, dtype) : this.inFloat(this.initializer(tensor, shape), dtype);
    this.weights.set(weight.name, (graph, dtype) => graph.weight(tensor, shape, dtype));
    this.stored.set(weight.name, { ...tensor, shape });
    return weight;
  }

  /**
   * The rows [..., width] of a table [rows, width] of the checkpoint at int64 `indices`. Rows are looked up as they lie in the file, and
   * then converted, so that a table of 150,000 rows is not converted for a few of them.
   */
  lookup(tensor: StoredTensor, shape: Shape, indices: Value): Value {
    const { dtype, packing, scale } = tensor;
    const [rows = 0, width = 0] = shape;
    const of = (table: Value) => gather(table, indices);
    const found: Shape = [...indices.shape, ...shape.slice(1)];
    if (tensor.transposed) return of(this.weight(tensor, shape));
    if (packing && isBlockFormat(packing.format) && width % blockSize(packing.format).numbers === 0) {
      const { numbers, bytes } = blockSize(packing.format);
      const rowBytes = (width / numbers) * bytes;
      const blocks = codedBlocks(packing.format, {
        graph: this,
        as: (dtype) =>
          reshape(of(this.initializer({ ...tensor, dtype }, [rows, rowBytes / byteSize(dtype)])), [-1, bytes / byteSize(dtype)]),
      });
      return this.cast(reshape(widened(blocks), found), this.float);
    }
    const meaning = FLOAT8[dtype];
    if (meaning && (!scale || sizeOf(scale.shape) === 1)) {
      // The runtime's cast of such a table takes seconds.
      const codes = this.cast(of(this.initializer({ ...tensor, dtype: "uint8" }, shape)), "int32");
      const numbers = gather(this.constant(Array.from({ length: 256 }, (_, bits) => meaning(bits))), codes);
      const factor = scale && this.inFloat(this.initializer(scale, [1]), "float32");
      return this.cast(factor ? arithmetic("Mul", numbers, factor) : numbers, this.float);
    }
    if (packing || scale) return of(this.weight(tensor, shape));
    return this.cast(of(this.initializer(tensor, shape)), this.float);
  }

  /**
   * The rows `start` to `end` (excluded) of a weight that is unchanged or only cast: a byte range of its file. Undefined for any other
   * value.
   */
  weightRows({ name }: Value, start: number, end: number): Value | undefined {
    const tensor = this.stored.get(name);
    if (!tensor) return undefined;
    const part = rowsOf(tensor, start, end);
    return this.weight(part, part.shape);
  }

  /** The blocks of a quantised weight that is unchanged; undefined for any other value. */
  blocksOf({ name }: Value): CodedBlocks | undefined {
    return this.packed.get(name);
  }

  /** The transpose of a weight, if the file holds that and products should use it. */
  transposeOf({ name }: Value): Value | undefined {
    return this.transposes.get(name);
  }

  /** A weight with a change that is made once, when the graph is loaded. The result is a weight, too. `purpose` identifies the change. */
  changed(weight: Value, purpose: string, change: (weight: Value) => Value): Value {
    const original = this.weights.get(weight.name);
    // Providers fold nodes that depend on no input, if they are float32.
    const folded = () => this.cast(change(original?.(this, "float32") ?? weight), weight.dtype as Float);
    const make = this.isPreparation ? () => change(weight) : folded;
    const isPrepared = this.lowering.weights === "prepared" && !this.isPreparation;
    const result = isPrepared ? this.prepared(weight, purpose, change) : this.once(`${weight.name} ${purpose}`, make);
    if (original) this.weights.set(result.name, (graph, dtype) => change(original(graph, dtype)));
    return result;
  }

  /** A weight that every run computes. It may depend on the graph's inputs. `key` identifies it. */
  varied(key: string, make: () => Value): Value {
    return this.once(key, () => {
      this.section = this.conversions;
      try {
        return make();
      } finally {
        this.section = this.nodes;
      }
    });
  }

  /** Whether `value` is a weight, changed or not. */
  isWeight({ name }: Value): boolean {
    return this.weights.has(name);
  }

  /**
   * The results of `build` for a weight, made once, when the graph is loaded, and written to `file`. The runtime can pack tensors of files
   * into the order that its kernels read; it cannot do so with tensors that are fed to a run. `purpose` identifies the results among those
   * of one weight.
   */
  converted(weight: Value, purpose: string, file: FileRef, build: (weight: Value) => readonly Value[]): readonly Value[] {
    return this.sharing(`${weight.name} ${purpose}`, () =>
      this.prepare(weight, file, build).map(({ name, dtype, shape, offset = 0 }) => {
        this.initializers.push({ name, dtype, shape, data: { file, offset, length: sizeOf(shape) * byteSize(dtype) } });
        return { graph: this, name, dtype, shape };
      }),
    );
  }

  /** The results of `make`, which is called once for each key. */
  sharing(key: string, make: () => readonly Value[]): readonly Value[] {
    const known = this.shared.get(key) ?? make();
    this.shared.set(key, known);
    return known;
  }

  /** The result of `make`, which is called once for each key. */
  once(key: string, make: () => Value): Value {
    return this.sharing(key, () => [make()])[0] as Value;
  }

  /** The graph as an engine loads it. */
  finish(): FinishedGraph {
    const { widensOnce = false } = this.options;
    const { model, preparations } =
      widensOnce && this.lowering.weights === "prepared" ? widenFloat8Once(this.needed()) : { model: this.needed(), preparations: [] };
    const prepared = this.preparations.map((graph) => ({
      model: graph.needed(),
      outputs: graph.outputs,
      ...(graph.file !== undefined && { file: graph.file }),
    }));
    for (const { name, dtype, shape } of model.inputs) this.sizes.set(name, sizeOf(shape) * byteSize(dtype));
    return {
      model,
      largestValue: this.largestValue,
      largestWidened: this.largestWidened,
      memory: memoryOf(model, this.sizes, new Set(this.conversions)),
      preparations: [...prepared, ...preparations],
    };
  }

  /** The result of `build` for a weight, made once, when the graph is loaded. `purpose` identifies the result among those of one weight. */
  private prepared(weight: Value, purpose: string, build: (weight: Value) => Value): Value {
    return this.once(`${weight.name} ${purpose}`, () => {
      const [{ name, dtype, shape }] = this.prepare(weight, undefined, (own) => [build(own)]) as [PreparedPort];
      return this.input(name, dtype, shape);
    });
  }

  /** Adds `build` for a weight to a preparation. Its results are written to `file`, if there is one. */
  private prepare(weight: Value, file: FileRef | undefined, build: (weight: Value) => readonly Value[]): readonly PreparedPort[] {
    const again = this.weights.get(weight.name);
    if (!again) throw new ArgumentError(`${weight.name} is not a weight; only weights can be prepared`);
    const preparation = this.preparationGraph(file);
    const made = build(again(preparation)).map(({ name, dtype, shape }): PreparedPort => {
      if (file === undefined) return { name, dtype, shape };
      const offset = this.written;
      this.written += Math.ceil((sizeOf(shape) * byteSize(dtype)) / ALIGNMENT) * ALIGNMENT;
      return { name, dtype, shape, offset };
    });
    preparation.outputs.push(...made);
    return made;
  }

  /** The graph that the next weight is prepared in: a new one if the last one makes many numbers already. */
  private preparationGraph(file: FileRef | undefined): Graph {
    const last = this.preparations.findLast((graph) => graph.file?.id === file?.id);
    if (last && last.outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0) < LARGEST_PREPARATION) return last;
    const next = new Graph(this.options, `prepared${this.preparations.length}.`, file);
    this.preparations.push(next);
    return next;
  }

  /** The graph without nodes and weights that no output needs. For example, a weight that was prepared may be needed only there. */
  private needed(): OnnxModel {
    const { inputs, outputs } = this;
    const used = new Set(outputs.map(({ name }) => name));
    const nodes = [...this.conversions, ...this.nodes].reverse().filter((node) => {
      const isUsed = node.outputs.some((name) => used.has(name));
      if (isUsed) for (const name of node.inputs) used.add(name);
      return isUsed;
    });
    return { nodes: nodes.reverse(), initializers: this.initializers.filter(({ name }) => used.has(name)), inputs, outputs };
  }

  /**
   * A weight's transpose. If the target prepares weights, products have exactly the same bits as with a weight that is not transposed in
   * its file.
   */
  private turned(stored: Value): Value {
    const weight = this.changed(stored, "turned", (own) =>
      own.graph.node("Transpose", [own], { shape: own.shape.toReversed(), attributes: { perm: [1, 0] } }),
    );
    if (this.lowering.weights === "folded") this.transposes.set(weight.name, stored);
    return weight;
  }

  /** A weight with the second half of its rows first. */
  private withSwappedHalves(stored: Value): Value {
    const [rows = 0, ...columns] = stored.shape;
    return this.changed(stored, "with swapped halves", (own) => {
      const { graph } = own;
      const half = (start: number) =>
        graph.node("Slice", [own, graph.integers([start]), graph.integers([start + rows / 2]), graph.integers([0])], {
          shape: [rows / 2, ...columns],
        });
      return graph.node("Concat", [half(rows / 2), half(0)], { shape: own.shape, attributes: { axis: 0 } });
    });
  }

  private inFloat(stored: Value, dtype: Float): Value {
    if (stored.dtype === dtype) return stored;
    return this.once(`${stored.name} as ${dtype}`, () => {
      const name = `${this.prefix}v${this.count++}`;
      this.conversions.push({ ...castTo(dtype), domain: "", inputs: [stored.name], outputs: [name] });
      this.largestWidened = Math.max(this.largestWidened, sizeOf(stored.shape));
      return this.sized({ ...stored, name, dtype });
    });
  }

  /** A weight times its scale. It is multiplied in float32, as in other programs that widen such a file. */
  private scaled(tensor: StoredTensor, scale: StoredTensor, shape: Shape, dtype: Float): Value {
    const factors = sizeOf(scale.shape);
    const [weight, factor] = [
      this.inFloat(this.initializer(tensor, shape), "float32"),
      this.inFloat(this.initializer(scale, factors === 1 ? [1] : [factors, ...shape.slice(1).map(() => 1)]), "float32"),
    ];
    const product = this.once(`${weight.name} scaled`, () => {
      const name = `${this.prefix}v${this.count++}`;
      this.conversions.push({ op: "Mul", domain: "", attributes: {}, inputs: [weight.name, factor.name], outputs: [name] });
      return this.sized({ ...weight, name });
    });
    return this.inFloat(product, dtype);
  }

  /** A quantised weight in floats. */
  private unpacked(tensor: StoredTensor, packing: Packing, shape: Shape, dtype: Float): Value {
    const rows = "rows" in packing ? ` rows ${packing.rows}` : "";
    const value = this.varied(`${tensor.name}:${tensor.offset} [${shape}]${rows} unpacked as ${dtype}`, () => {
      const blocks = blocksIn(packing, this.packedBytes(tensor, packing), tensor.scale);
      const made = this.cast(inShape(widened(blocks), packing, shape), dtype);
      if (isBlockFormat(packing.format)) this.packed.set(made.name, blocks);
      return made;
    });
    this.weights.set(value.name, (graph, dtype) => graph.weight(tensor, shape, dtype));
    this.stored.set(value.name, { ...tensor, shape });
    return value;
  }

  /** The bytes of a quantised weight, and of what belongs to it. */
  private packedBytes(tensor: StoredTensor, { format }: Packing): PackedTensor {
    const width = isBlockFormat(format) ? blockSize(format).bytes : format === "LLM.int8" ? sizeOf(tensor.shape.slice(1)) : 1;
    return {
      graph: this,
      as: (dtype) => this.initializer({ ...tensor, dtype }, [tensor.length / width, width / byteSize(dtype)]),
      beside: (other) => this.initializer(other, [sizeOf(other.shape)]),
    };
  }

  private initializer({ name, dtype, file, offset, length, packing }: StoredTensor, shape: Shape): Value {
    // A tensor that is used in two shapes, or in halves, is two initializers. Their names are the same in graphs of other shapes, so that
    // these can share preparations.
    this.files.add(file.id);
    const unique = `${name}#${[...this.files].indexOf(file.id)}:${offset} [${shape}]${packing || dtype === "uint8" ? ` ${dtype}` : ""}`;
    return this.once(unique, () => {
      this.initializers.push({ name: unique, dtype, shape, data: { file, offset, length } });
      return { graph: this, name: unique, dtype, shape };
    });
  }

  /** Notes the size of a value that takes memory in a run. */
  private sized(value: Value): Value {
    this.sizes.set(value.name, sizeOf(value.shape) * byteSize(value.dtype));
    return value;
  }

  private literal(dtype: DType, data: Float32Array | BigInt64Array | Uint16Array | Uint8Array, shape: Shape): Value {
    if (data.length !== sizeOf(shape)) throw new ArgumentError(`constant of shape [${shape}] was given ${data.length} numbers`);
    return this.once(`${dtype} [${shape}] ${data.join()}`, () => {
      const name = `c${this.count++}`;
      this.initializers.push({ name, dtype, shape, data: new Uint8Array(data.buffer) });
      return { graph: this, name, dtype, shape };
    });
  }
}

function castTo(dtype: DType): Pick<OnnxNode, "op" | "attributes"> {
  return { op: "Cast", attributes: { to: DATA_TYPES[dtype] } };
}
